"""Floods of datagrams end in the kernel, and take nothing from anybody."""

import signal
import socket
from collections.abc import Callable

from pkdoors.daemon.rates import STEP
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, ControlledTestCase, door
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, PATIENCE, SERVER4, SERVER6, Host, eventually, ip

LIMITED = door("ssh", more="knock_rate = 100\nknock_burst = 100")
JUNK = (b"", b"knocks", b"KNOCK\n", b"knock5\n", b"pkdoors1 too short", b"x" * 1400)
MANY = 500


def flood(
    host: Host, datagrams: tuple[bytes, ...], count: int, address: str = SERVER4, source: str = ""
) -> None:
    """Send so many of these datagrams to the first knock port, as fast as one process can."""
    for at, datagram in enumerate(datagrams):
        ports = [SEQUENCE[0] for _ in range(at, count, len(datagrams))]
        host.send(ports, datagram, address, source, pause=0)


class FloodTestCase(ControlledTestCase):
    """A test that looks at the counters of a flood."""

    def dropped(self) -> dict[str, int]:
        """Return the counters of dropped datagrams."""
        dropped: dict[str, int] = self.ask("/status")["counters"]["dropped"]
        return dropped

    def heard(self) -> int:
        """Return how many datagrams the daemon has heard so far."""
        return int(sum(self.ask("/status")["counters"]["knocks"].values()))

    def comes(self, what: Callable[[], object]) -> None:
        """Assert that something becomes true."""
        self.assertTrue(eventually(what), self.ask("/status")["counters"])

    def opens(self, source: str = "") -> bool:
        """Return whether a knock of the client's opens the door."""
        self.client.send(SEQUENCE, source=source)
        return self.client.comesToReach(PORT, source=source)

    def tracked(self) -> int:
        """Return how many connections the server's kernel tracks."""
        return int(self.server.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))

    def isTracked(self, begin: str) -> bool:
        """Return whether the kernel tracks an answered connection that begins there."""
        lines = self.server.run("cat", "/proc/net/nf_conntrack").splitlines()
        return any(f" {begin} " in line and "[UNREPLIED]" not in line for line in lines)


class FloodTests(FloodTestCase):
    """
    Floods with the nftables firewall.

    @cvar tooMany: more knocks than the daemon's buffers hold.
    """

    tooMany = 20_000

    def test_junk(self) -> None:
        """Junk does not reach the daemon, is counted, and keeps nobody out."""
        self.controlled(SSH)
        flood(self.stranger, JUNK, MANY)
        flood(self.client, JUNK, MANY, SERVER6)
        self.comes(lambda: self.dropped()["junk"] == 2 * MANY)
        self.assertEqual(0, self.heard())
        self.assertTrue(self.opens())
        self.assertEqual(len(SEQUENCE), self.heard())
        self.assertIn(
            'pkdoors_dropped_datagrams_total{reason="junk"} 1000.0', self.curl("/metrics")[1]
        )

    def test_rates(self) -> None:
        """The rates of the last minutes have it, for a client that asks only later."""
        self.controlled(SSH)
        flood(self.stranger, JUNK, MANY)
        self.assertTrue(self.opens())
        counts = {"junk": MANY, "knocks": len(SEQUENCE), "request": 1, "refused": 0, "opened": 1}
        found = eventually(lambda: self.sumRates() == counts and counts, patience=STEP + PATIENCE)
        self.assertEqual(counts, found or self.sumRates())

    def sumRates(self) -> dict[str, int]:
        """Return some counts of all steps together."""
        rates = self.ask("/rates")["rates"]
        names = ("junk", "knocks", "request", "refused", "opened")
        return {name: sum(step[name] for step in rates) for name in names}

    def test_status(self) -> None:
        """C{pkdoors status} shows the junk."""
        self.controlled(SSH)
        flood(self.stranger, JUNK, MANY)
        self.comes(lambda: self.dropped()["junk"] == MANY)
        status, told = self.server.status(
            str(BIN / "pkdoors"), "status", "--admin", str(self.socket)
        )
        self.assertEqual(0, status, told)
        self.assertIn("dropped before they were heard: 500 not knocks\n", told)

    def test_everything(self) -> None:
        """A door that accepts any payload hears every datagram."""
        daemon = self.daemon("--log-knocks")
        flood(self.stranger, JUNK, 6)
        self.assertTrue(daemon.says("b'pkdoors1 too short'"), daemon.log())
        self.assertTrue(daemon.says("b'KNOCK\\n'"), daemon.log())

    def test_reload(self) -> None:
        """After a reload, too, a port hears exactly what its doors accept."""
        key = self.folder / "key"
        self.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        self.controlled(SSH)
        seal = b"pkdoors1 " + bytes(100)
        self.client.send(SEQUENCE, seal)
        self.comes(lambda: self.dropped()["junk"] == len(SEQUENCE))
        self.write(door("ssh", more=f'authorized_keys = "{key}.pub"'))
        self.reload()
        self.client.send(SEQUENCE, seal)
        self.comes(lambda: self.ask("/status")["counters"]["knocks"]["refused"] == len(SEQUENCE))
        self.assertEqual(len(SEQUENCE), self.dropped()["junk"])
        self.write(SSH)
        self.reload()
        self.assertTrue(self.opens())

    def test_limit(self) -> None:
        """A source is heard up to its rate; other sources are not affected."""
        self.controlled(LIMITED)
        flood(self.stranger, (b"knock\n",), MANY)
        self.comes(lambda: self.dropped()["limit"] + self.heard() == MANY)
        self.assertLess(0, self.dropped()["limit"])
        self.assertTrue(self.opens())

    def test_limitAgain(self) -> None:
        """After a reload the dropped datagrams are still reported, and the new limit counts."""
        self.controlled(LIMITED)
        flood(self.stranger, (b"knock\n",), MANY)
        self.comes(lambda: self.dropped()["limit"] + self.heard() == MANY)
        limited, heard = self.dropped()["limit"], self.heard()
        self.write(door("ssh", more="knock_rate = 0"))
        changed = "door ssh (2222/tcp) changed: knock_rate, knock_burst"
        self.assertEqual([changed], self.reload())
        flood(self.stranger, (b"knock\n",), MANY)
        self.comes(lambda: self.heard() == heard + MANY)
        self.assertEqual(limited, self.dropped()["limit"])

    def test_limitIPv6(self) -> None:
        """In IPv6 all addresses of a /64 count as one source."""
        self.controlled(LIMITED)
        same, other = CLIENT6 + "00", "fd09:1:0:1::2"
        for address in (same, other):
            ip("-n", self.client.name, "address", "add", f"{address}/128", "dev", "server", "nodad")
        ip("-n", self.server.name, "-6", "route", "add", "fd09:1:0:1::/64", "via", CLIENT6)
        for address in (CLIENT6, same):
            flood(self.client, (b"knock\n",), MANY, SERVER6, address)
        self.comes(lambda: self.dropped()["limit"] + self.heard() == 2 * MANY)
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "KnockRate6_100_100")
        self.assertEqual(1, listing.count("expires"), listing)
        limited = self.dropped()["limit"]
        self.client.send(SEQUENCE, address=SERVER6, source=other)
        self.assertTrue(self.client.comesToReach(PORT, SERVER6, other))
        self.assertEqual(limited, self.dropped()["limit"])

    def test_full(self) -> None:
        """Datagrams for which a busy daemon has no room are reported separately from junk."""
        daemon = self.controlled(door("ssh", more="knock_rate = 0"))
        daemon.process.popen.send_signal(signal.SIGSTOP)
        try:
            flood(self.stranger, (b"knock\n",), self.tooMany)
        finally:
            daemon.process.popen.send_signal(signal.SIGCONT)
        self.comes(lambda: self.dropped()["overflow"] + self.heard() == self.tooMany)
        self.assertEqual(0, self.dropped()["junk"])
        self.assertLess(0, self.heard())
        self.assertTrue(self.opens())
        self.assertTrue(daemon.says("a flood: "), daemon.log())

    def test_notTracked(self) -> None:
        """Knocks take no place in the kernel's table of connections; connections do."""
        self.controlled(SSH)
        before = self.tracked()
        for last in range(2, 250):
            ip("-n", self.client.name, "address", "add", f"10.9.3.{last}/32", "dev", "server")
        ip("-n", self.server.name, "route", "add", "10.9.3.0/24", "via", CLIENT4)
        for last in range(2, 250):
            self.client.send(SEQUENCE[:2], source=f"10.9.3.{last}", pause=0)
        self.comes(lambda: self.heard() == 2 * 248)
        self.assertEqual(before, self.tracked())
        self.assertTrue(self.opens("10.9.3.2"))
        self.assertTrue(self.isTracked(f"src=10.9.3.2 dst={SERVER4}"))

    def test_healed(self) -> None:
        """After a flush the limit and the filter are restored."""
        daemon = self.controlled(LIMITED)
        self.disturb(daemon, "flush ruleset")
        flood(self.stranger, (*JUNK, b"knock\n"), 7 * MANY)
        self.comes(
            lambda: self.dropped()["limit"] + self.dropped()["junk"] == 7 * MANY - self.heard()
        )
        self.assertTrue(self.opens())


class CapturedFloodTests(FloodTests):
    """Floods of knocks that are captured."""

    listen = "capture"
    tooMany = 60_000


class FirewalldFloodTests(FloodTests):
    """Floods with firewalld, which also judges packets that are not tracked."""

    firewall = "firewalld"


class RouterTests(FloodTestCase):
    """Floods on a host that routes the packets of others."""

    def test_othersAreTracked(self) -> None:
        """
        Packets to the same ports of another host, which are only routed, are tracked as usual.
        """
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.controlled(SSH)
        before = self.tracked()
        with self.client.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"knock\n", ("10.9.2.2", SEQUENCE[0]))
        self.comes(lambda: self.tracked() == before + 1)
