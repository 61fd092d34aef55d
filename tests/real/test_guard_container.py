"""
The guard in an unprivileged container, whose sockets have small buffers, with many openings.

Set C{PKDOORS_OPENINGS=60000} in the environment for that many openings at the end.
"""

import json
import os
import time
from pathlib import Path

from tests.lab.adminclient import AdminClient
from tests.lab.case import KNOCKS, PORT, RealTestCase
from tests.lab.hosts import BIN, eventually

NUMBERS = [0, 600, 800, 2000, 4096, int(os.environ.get("PKDOORS_OPENINGS", 0))]
MOST = 4095
"""Openings of one door, in addition to that of the address that is let in."""
INSIDE, OUTSIDE, ALLOWED = "10.9.4.2", "10.9.4.1", "10.9.4.3"
"""Addresses of the container and of the stranger, and one of the stranger's that is let in."""
SECONDS = 1.5
"""Seconds for which the processor time is measured."""
SHARE = 0.1
"""The share of one processor, which is more than an idle daemon uses."""
QUIET_LINES = 6
"""Lines that a flush may log."""

_BOX = """
mount -t tmpfs tmpfs /run
mkdir /run/pkdoors
ip link set lo up
exec "$@"
"""
_SERVER = f"""
import socket
server = socket.create_server(("", {PORT}), backlog=100)
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""


class BoxTestCase(RealTestCase):
    """
    Root of a user namespace, who is nobody outside.

    @cvar options: further ones of the daemon's.
    """

    options: tuple[str, ...] = ()

    def setUp(self) -> None:
        """Start the daemon and a service there, and connect it to the stranger."""
        super().setUp()
        socket = self.folder / "box.sock"
        self.daemonProcess = self.server.spawn(
            *"unshare -U -r -n -m sh -euc".split(),
            _BOX,
            "sh",
            str(BIN / "twistd"),
            *f"-n --pidfile= pkdoors --admin {socket}".split(),
            *f"-m {KNOCKS} -p {PORT} --max-open-for 2h".split(),
            *self.options,
        )
        self.assertTrue(self.daemonProcess.says("guarding door"), self.daemonProcess.log())
        self.assertTrue(eventually(socket.exists))
        self.pid = self.daemonProcess.popen.pid
        self.stranger.run(*f"ip link add box type veth peer name outside netns {self.pid}".split())
        self.stranger.run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "box")
        self.stranger.run("ip", "address", "add", f"{ALLOWED}/24", "dev", "box")
        self.stranger.run("ip", "link", "set", "box", "up")
        self.box("ip", "address", "add", f"{INSIDE}/24", "dev", "outside")
        self.box("ip", "link", "set", "outside", "up")
        service = self.server.spawn(*self.entering, "python3", "-c", _SERVER)
        self.assertTrue(service.says("listening"), service.log())
        self.admin = AdminClient(socket)
        self.addCleanup(self.admin.close)

    @property
    def entering(self) -> tuple[str, ...]:
        """Return the beginning of a command line that runs in the container."""
        return ("nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials")

    def box(self, *argv: str) -> str:
        """Run a command in the container."""
        return self.server.run(*self.entering, *argv)

    def reaches(self, source: str) -> bool:
        """Return whether an address of the stranger's gets in."""
        return self.stranger.reaches(PORT, INSIDE, source)


class ContainerTests(BoxTestCase):
    """A flush there."""

    def test_flushed(self) -> None:
        """
        After a flush the guard is back with all openings, and the daemon uses little processor time
        and logs little, however many openings there are.
        """
        self.admin.openAll([ALLOWED], "default")
        there = 0
        for number in sorted(set(NUMBERS)):
            with self.subTest(number):
                number = min(number, MOST)
                self.admin.openAll(map(addressOf, range(there, number)), "default")
                there = max(there, number)
                lines = self.log()
                self.box("nft", "flush", "ruleset")
                self.assertTrue(self.isBack(there + 1), self.log()[len(lines) :])
                self.assertTrue(eventually(self.isQuiet), "the processor is busy")
                new = self.log()[len(lines) :]
                self.assertLessEqual(len(new), QUIET_LINES, new)
                self.assertEqual(self.openings(), there + 1)

    def log(self) -> list[str]:
        """Return the daemon's log, without the lines about openings."""
        lines = self.daemonProcess.log().splitlines()
        return [each for each in lines if "opened door" not in each]

    def isBack(self, number: int) -> bool:
        """Return whether the guard comes back with this many openings."""
        return bool(
            eventually(lambda: not self.reaches(OUTSIDE))
            and eventually(lambda: self.reaches(ALLOWED))
            and eventually(lambda: self.openings() == number)
        )

    def openings(self) -> int:
        """Return the number of openings in the kernel."""
        listing = ("nft", "-j", "list", "table", "inet", "pkdoors")
        status, text = self.server.status(*self.entering, *listing)
        sets = [each.get("set") for each in json.loads(text)["nftables"]] if status == 0 else []
        return sum(len(each.get("elem", [])) for each in sets if each and "_open" in each["name"])

    def isQuiet(self) -> bool:
        """Return whether the daemon does next to nothing for a while."""
        before = self.processorTime()
        time.sleep(SECONDS)
        return self.processorTime() - before < SHARE * SECONDS

    def processorTime(self) -> float:
        """
        Return the seconds of processor time that the daemon has used, in its own code and the
        kernel's.
        """
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def addressOf(number: int) -> str:
    """Return addresses that nobody has."""
    return f"10.{100 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
