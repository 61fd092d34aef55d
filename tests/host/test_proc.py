"""Tests of L{pkdoors.host.proc}."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.proc import Owner, Proc
from tests.host.test_procnet import LISTING, LISTING6


class ProcTests(SynchronousTestCase):
    """
    Tests of L{Proc}, with a folder in the place of C{/proc}.
    """

    def setUp(self) -> None:
        """Make an empty folder."""
        self.root = Path(self.mktemp())
        self.root.mkdir()
        self.proc = Proc(self.root)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, number: int, name: str, *links: str) -> None:
        """Make a process with some files."""
        folder = self.root / str(number) / "fd"
        folder.mkdir(parents=True)
        for place, link in enumerate(links):
            (folder / str(place)).symlink_to(link)
        self.write(f"{number}/comm", f"{name}\n")

    def test_status(self) -> None:
        """The status of this process is read."""
        self.write("self/status", "Name:\tx\n")
        self.assertEqual("Name:\tx\n", self.proc.readStatus())

    def test_sockets(self) -> None:
        """Sockets of both families are read, or of the only one."""
        self.write("net/tcp", LISTING)
        self.assertEqual(2, len(self.proc.readSockets("tcp")))
        self.write("net/tcp6", LISTING6)
        self.assertEqual(3, len(self.proc.readSockets("tcp")))
        self.assertEqual([], self.proc.readSockets("udp"))

    def test_owners(self) -> None:
        """
        Owners of sockets are found; other processes, and those that end meanwhile, are skipped.
        """
        self.process(5, "named", "/dev/null", "socket:[71]", "socket:[72]", "pipe:[73]")
        self.process(6, "other", "socket:[74]")
        (self.root / "7").mkdir()
        self.write("version", "Linux")
        self.assertEqual({71: Owner(5, "named")}, self.proc.findOwners({71, 73, 99}))

    def test_ipv6(self) -> None:
        """IPv6 may be on, off, or not in the kernel."""
        name = "sys/net/ipv6/conf/all/disable_ipv6"
        self.assertFalse(self.proc.hasIPv6())
        for text, isOn in (("0\n", True), ("1\n", False)):
            self.write(name, text)
            self.assertIs(isOn, self.proc.hasIPv6())

    def test_tracked(self) -> None:
        """Connection tracking may be off."""
        self.assertIsNone(self.proc.countTracked())
        self.write("sys/net/netfilter/nf_conntrack_count", "3\n")
        self.assertIsNone(self.proc.countTracked())
        self.write("sys/net/netfilter/nf_conntrack_max", "8\n")
        self.assertEqual((3, 8), self.proc.countTracked())

    def test_legacy(self) -> None:
        """The old iptables matters if it filters or forwards."""
        self.assertEqual([], self.proc.listLegacyTables())
        self.write("net/ip_tables_names", "nat\n")
        self.write("net/ip6_tables_names", "mangle\nfilter\n")
        self.assertEqual(
            [("nat", "iptables-legacy -t nat -S"), ("filter", "ip6tables-legacy -t filter -S")],
            self.proc.listLegacyTables(),
        )

    def test_cookies(self) -> None:
        """A kernel may have no SYN cookies."""
        self.assertEqual(0, self.proc.readCookies())
        self.write("sys/net/ipv4/tcp_syncookies", "2\n")
        self.assertEqual(2, self.proc.readCookies())
