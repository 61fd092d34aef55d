"""No other program on the host gets a knock port while the daemon runs."""

import signal

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.hosts import SERVER4, SERVER6, Process, eventually

RELOADS = 200
ADDRESSES = (SERVER4, SERVER6)
PLACES = (
    'interfaces = ["10.9.1.1"]',
    'interfaces = ["fd09:1::1"]',
    "",
    'interfaces = ["0.0.0.0"]',
    'interfaces = ["10.9.1.1", "fd09:1::1"]',
    'interfaces = ["10.9.1.1", "127.0.0.1"]',
)

_THIEF = """
import socket, sys
print("begins", flush=True)
ports, taken, tries = list(map(int, sys.argv[1:])), [], 0
places = [(socket.AF_INET, a) for a in ("0.0.0.0", "10.9.1.1", "127.0.0.1", "10.9.2.1")]
places += [(socket.AF_INET6, a) for a in ("::", "fd09:1::1", "::1")]
while True:
    for port in ports:
        for family, address in places:
            for only in (0, 1):
                for reuse in ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,),
                              (socket.SO_REUSEADDR, socket.SO_REUSEPORT)):
                    thief = socket.socket(family, socket.SOCK_DGRAM)
                    for each in reuse:
                        thief.setsockopt(socket.SOL_SOCKET, each, 1)
                    if family == socket.AF_INET6:
                        thief.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
                    tries += 1
                    try:
                        thief.bind((address, port))
                    except OSError:
                        thief.close()
                        continue
                    print("taken", address, port, reuse, flush=True)
                    thief.setblocking(False)
                    taken.append(thief)
    for thief in taken:
        try:
            print("heard", thief.recv(100), flush=True)
        except BlockingIOError:
            pass
    if tries % 20000 < 400:
        print("tries", tries, flush=True)
"""


class _ThiefCase(ControlledTestCase):
    """A local user who wants the ports, with all options that make a port shareable."""

    def thief(self) -> Process:
        """Start the thief as user nobody."""
        script = self.folder / "thief.py"
        script.write_text(_THIEF)
        self.folder.chmod(0o755)
        thief = self.server.spawn(
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/usr/bin/python3",
            str(script),
            *map(str, SEQUENCE),
        )
        self.assertTrue(thief.says("begins"), thief.log())
        return thief


class ThiefTests(_ThiefCase):
    """Each knock port has a socket of the daemon's."""

    listen = "sockets"

    def test_never(self) -> None:
        """
        During 200 reloads that change the addresses to hear, the thief never gets a port, and the
        daemon hears knocks afterwards.
        """
        daemon = self.controlled(SSH)
        thief = self.thief()
        for number in range(RELOADS):
            self.write(SSH, more=PLACES[number % len(PLACES)])
            self.assertEqual(self.reload(), ["interfaces changed"])
        self.assertTrue(thief.says("tries"), thief.log())
        self.assertNotIn("taken", thief.log())
        self.assertNotIn("not heard", daemon.log())
        self.write(SSH)
        self.reload()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())

    def test_whileDown(self) -> None:
        """
        The thief keeps a port that it took while no daemon ran, and the daemon works without it;
        when the thief ends, the daemon hears all ports again.
        """
        daemon = self.controlled(SSH)
        daemon.stop()
        thief = self.thief()
        self.assertTrue(thief.says("taken"), thief.log())
        daemon = self.controlled(SSH)
        self.assertIn("another program uses", daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        thief.stop(signal.SIGKILL)
        self.assertTrue(daemon.says("not heard, and"), daemon.log())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())


class CapturedThiefTests(_ThiefCase):
    """No knock port has a socket."""

    listen = "capture"

    def test_useless(self) -> None:
        """
        The thief gets all ports and hears nothing; the daemon hears all knocks. Both hold during
        reloads, too, and for knocks from the host itself.
        """
        daemon = self.controlled(SSH)
        thief = self.thief()
        for port in SEQUENCE:
            self.assertTrue(thief.says(f"taken 0.0.0.0 {port} "), thief.log())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        for number in range(RELOADS // 10):
            self.write(SSH, more=PLACES[number % len(PLACES)])
            self.assertEqual(self.reload(), ["interfaces changed"])
            for address in ADDRESSES:
                self.client.send(SEQUENCE, address=address)
                self.client.send(SEQUENCE, b"junk", address=address)
            self.server.send(SEQUENCE, address="127.0.0.1")
        tries = thief.log().count("tries")
        self.assertTrue(eventually(lambda: thief.log().count("tries") > tries + 1), thief.log())
        self.assertNotIn("heard", thief.log())

    def test_heardWithoutGuard(self) -> None:
        """The thief would hear them without the guard, so its silence means something."""
        thief = self.thief()
        self.assertTrue(thief.says(f"taken 0.0.0.0 {SEQUENCE[0]} "), thief.log())
        self.client.send(SEQUENCE)
        self.assertTrue(thief.says("heard"), thief.log())
