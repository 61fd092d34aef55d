"""What somebody else takes out of the firewall comes back by itself."""

import re
import signal
import time

from tests.real.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.real.hosts import CLIENT4, Daemon, eventually

SOON = 1.0
"""Seconds to wait for what happens within 0.1: these machines are shared."""


class NftablesTests(RealTestCase):
    """The guard in the kernel."""

    def opened(self, openFor: str = "1h") -> Daemon:
        """A daemon whose door is open for the client."""
        daemon = self.start(openFor=openFor)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        return daemon

    def isBack(self) -> bool:
        """Whether the door is open for the client, and for nobody else."""
        healed = eventually(lambda: CLIENT4 in self.server.run("nft", "list", "ruleset"), SOON)
        return bool(healed) and self.client.reaches(PORT) and not self.stranger.reaches(PORT)

    def test_flush(self) -> None:
        """A flush of everything, as a restart of nftables.service does it, is a non-event."""
        daemon = self.opened()
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(self.isBack())
        self.assertIn("nft changed the guard: putting the guard and the openings", daemon.log())

    def test_deletions(self) -> None:
        """So is the loss of our table, of a rule or set, or of an element."""
        daemon = self.opened()
        for deletion in (
            "delete table inet pkdoors",
            "flush chain inet pkdoors guard",
            "flush set inet pkdoors protected",
            f"delete element inet pkdoors default_open4 {{ {CLIENT4} }}",
        ):
            with self.subTest(deletion):
                self.server.run("nft", deletion)
                self.assertTrue(self.isBack())
        self.assertEqual(daemon.log().count("opened door"), 1)

    def test_deadlineStays(self) -> None:
        """What is put back ends when it would have ended."""
        self.opened(openFor="3s")
        began = time.monotonic()
        while time.monotonic() < began + 2:
            self.server.run("nft", "flush", "ruleset")
            time.sleep(0.2)
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT), 3))

    def test_loop(self) -> None:
        """Who flushes in a loop gets few lines in the log, and the guard comes back at its end."""
        daemon = self.opened()
        self.server.run("sh", "-c", "for each in $(seq 200); do nft flush ruleset; done")
        self.assertTrue(self.isBack())
        self.assertLess(daemon.log().count("changed the guard"), 10)

    def test_ownChangesAreNone(self) -> None:
        """What the daemon changes itself, and what others do elsewhere, heals nothing."""
        daemon = self.opened(openFor="1s")
        self.server.run("nft", "add table inet mine; add chain inet mine c; delete table inet mine")
        self.assertTrue(daemon.says("closed door"))
        self.assertNotIn("changed the guard", daemon.log())


class RestartTests(RealTestCase):
    """A daemon after the end of another."""

    def daemon(self) -> Daemon:
        """A daemon whose door opens for six seconds."""
        return Daemon(self.server, "-m", KNOCKS, "-p", str(PORT), "-t", "6s")

    def test_takesOver(self) -> None:
        """What was open stays open, is told, and ends when it would have ended."""
        self.server.serve(PORT)
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                daemon = self.daemon()
                self.client.send(SEQUENCE)
                self.assertTrue(self.client.comesToReach(PORT))
                began = time.monotonic()
                time.sleep(1.5)
                daemon.stop(end)
                daemon = self.daemon()
                line = rf"took over door default \({PORT}/tcp\) for {CLIENT4} until .* \(([0-9])s\)"
                left = re.search(line, daemon.log())
                self.assertTrue(left and 1 <= int(left[1]) <= 4, daemon.log())
                self.assertTrue(self.client.reaches(PORT))
                self.assertFalse(self.stranger.reaches(PORT))
                self.assertTrue(daemon.says(f"closed door default ({PORT}/tcp) for {CLIENT4}"))
                self.assertFalse(self.client.reaches(PORT))
                self.assertGreater(time.monotonic() - began, 4)
                daemon.stop()

    def test_otherDoor(self) -> None:
        """What was open and is no door any more is closed."""
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        daemon.stop()
        Daemon(self.server, "-m", KNOCKS, "-p", f"{PORT},2223")
        self.assertFalse(self.client.reaches(PORT))


class FirewalldTests(RealTestCase):
    """firewalld's zones."""

    firewall = "firewalld"

    def opened(self) -> Daemon:
        """A daemon whose door is open for the client."""
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        return daemon

    def test_reload(self) -> None:
        """A reload is a non-event: the opening is there again, and knocks are heard."""
        daemon = self.opened()
        self.firewalld.cmd("--reload")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertIn("firewalld was reloaded: putting the guard", daemon.log())
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_restart(self) -> None:
        """So is a restart of firewalld, orderly or after a kill."""
        daemon = self.opened()
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                self.firewalld.process.stop(end)
                self.assertTrue(daemon.says("firewalld went away"))
                self.firewalld.start()
                self.assertTrue(self.client.comesToReach(PORT))
                self.assertFalse(self.stranger.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))
