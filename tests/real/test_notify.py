"""What the daemon tells a service manager; here the tests are that."""

import os
import signal
import socket

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, PATIENCE

TWISTD = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors", "-m", KNOCKS, "-p", str(PORT))


class NotifyTests(RealTestCase):
    """The protocol of C{sd_notify(3)}."""

    def setUp(self) -> None:
        """Listen as systemd does, and have something behind the door."""
        super().setUp()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(f"{self.folder}/notify")
        self.server.serve(PORT)

    def told(self, patience: float = PATIENCE) -> str:
        """The next message; L{TimeoutError} where none comes."""
        self.manager.settimeout(patience)
        return self.manager.recv(4096).decode()

    def nothing(self) -> None:
        """Empty the socket, and see that nothing more comes."""
        with self.assertRaises(BlockingIOError):
            while True:
                self.told(0)

    def environment(self, **more: str) -> dict[str, str]:
        """What systemd gives a service."""
        return {"NOTIFY_SOCKET": f"{self.folder}/notify", **more}

    def test_life(self) -> None:
        """
        Ready means that the guard is there and that knocks are heard. A daemon that hangs gives no
        sign of life; one that goes on does.
        """
        daemon = self.server.spawn(*TWISTD, **self.environment(WATCHDOG_USEC="200000"))
        status = f"guarding default ({PORT}/tcp) with nftables"
        self.assertEqual(f"READY=1\nSTATUS={status}", self.told())
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        for _ in range(3):
            self.assertEqual("WATCHDOG=1", self.told())
        os.kill(daemon.popen.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.popen.pid, os.WSTOPPED)
        self.nothing()
        self.assertRaises(TimeoutError, self.told, 1.0)
        os.kill(daemon.popen.pid, signal.SIGCONT)
        self.assertEqual("WATCHDOG=1", self.told())
        daemon.popen.terminate()
        while (message := self.told()) == "WATCHDOG=1":
            pass
        self.assertEqual("STOPPING=1", message)

    def test_notReady(self) -> None:
        """A daemon that cannot start says nothing."""
        status, _ = self.server.status(*TWISTD, "-f", "firewalld", **self.environment())
        self.assertEqual(1, status)
        self.nothing()
