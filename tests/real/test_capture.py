"""Knocks without sockets: heard from the kernel's packet log, and invisible to everybody else."""

import errno
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Thread
from typing import ClassVar

from pkdoors.daemon.listening import PREFERS_CAPTURE
from pkdoors.firewall.netlink.logsocket import FIRST_GROUP
from tests.lab import frames
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, door
from tests.lab.firewalld import Firewalld
from tests.lab.frames import Wire
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    PATIENCE,
    SERVER4,
    SERVER6,
    STRANGER4,
    Host,
    ip,
)
from tests.real.test_flood import FloodTestCase, flood

ADDRESSES = (SERVER4, SERVER6)
SILENT = 0.15
"""Seconds after which a port counts as silent. An answer takes 1 ms."""


class CaptureTestCase(FloodTestCase):
    """With a daemon that captures knocks."""

    listen = "capture"

    def opensOver(self, address: str) -> bool:
        """Return whether the client's knock opens the door for the client, at one address."""
        self.client.send(SEQUENCE, address=address)
        return self.client.comesToReach(PORT, address)

    def letServiceIn(self, *commands: str) -> None:
        """Run commands on the server."""
        for command in commands:
            self.server.run(*command.split())


class BesideTests(CaptureTestCase):
    """
    The host's other firewalls drop everything but the protected port: knocks are heard, with no
    rule of theirs changed.

    @cvar door: the configuration.
    """

    door: ClassVar[str] = SSH

    def checkHeard(self, listRules: Callable[[], str]) -> None:
        """Check that knocks over IPv4 and IPv6 open the door, and that no rule changes."""
        before = listRules()
        self.controlled(self.door)
        for address in ADDRESSES:
            self.assertFalse(self.client.reaches(PORT, address))
            self.assertTrue(self.opensOver(address), address)
        self.assertEqual(before, listRules())

    def test_nftables(self) -> None:
        """A table of the host's own."""
        for command in (
            "add table inet host",
            "add chain inet host input { type filter hook input priority -200; policy drop; }",
            f"add rule inet host input tcp dport {PORT} accept",
            "add rule inet host input meta l4proto ipv6-icmp accept",
        ):
            self.server.run("nft", command)
        self.checkHeard(lambda: self.server.run("nft", "list", "table", "inet", "host"))

    def checkIptables(self, kind: str) -> None:
        """Check one kind of iptables."""
        for program in (f"iptables-{kind}", f"ip6tables-{kind}"):
            self.letServiceIn(
                f"{program} -P INPUT DROP",
                f"{program} -A INPUT -p tcp --dport {PORT} -j ACCEPT",
                f"{program} -t raw -A PREROUTING -p udp -j DROP",
                f"{program} -t raw -A PREROUTING -p tcp ! --dport {PORT} -j DROP",
            )
        self.letServiceIn(f"ip6tables-{kind} -A INPUT -p ipv6-icmp -j ACCEPT")
        self.checkHeard(
            lambda: "".join(
                self.server.run(f"{program}-{kind}", "-S") for program in ("iptables", "ip6tables")
            )
        )

    def test_iptables(self) -> None:
        """The iptables that nft has; knocks are dropped as early as it can."""
        self.checkIptables("nft")

    def test_iptablesLegacy(self) -> None:
        """The old iptables."""
        self.checkIptables("legacy")

    def test_firewalld(self) -> None:
        """The zone drop of firewalld, which gets no rule for knocks."""
        self.firewall = "firewalld"
        self.firewalld = Firewalld(self.server)
        self.firewalld.cmd("--set-default-zone=drop")
        before = self.firewalld.cmd("--list-all-zones")
        self.controlled(self.door)
        self.assertEqual(before, self.firewalld.cmd("--list-all-zones"))
        for address in ADDRESSES:
            self.assertTrue(self.opensOver(address), address)


class HiddenTests(CaptureTestCase):
    """Nobody on the host or in the network can tell which ports are knock ports."""

    def test_noSocket(self) -> None:
        """The kernel lists no socket at all, and no port in the daemon's log."""
        daemon = self.controlled(SSH)
        self.assertTrue(self.opensOver(SERVER4))
        for name in ("udp", "udp6", "raw", "raw6", "packet"):
            with self.server.inside(), open(f"/proc/thread-self/net/{name}") as listing:
                self.assertEqual([], listing.read().splitlines()[1:], name)
        for port in SEQUENCE:
            self.assertNotIn(str(port), daemon.log())

    def test_localUser(self) -> None:
        """A local program that binds a knock port, early or late, hears nothing of knocks."""
        with self.server.inside(), closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
            one.bind(("0.0.0.0", SEQUENCE[0]))
            self.controlled(SSH)
            with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as other:
                other.bind(("::", SEQUENCE[1]))
                for address in ADDRESSES:
                    self.assertTrue(self.opensOver(address), address)
                    flood(self.stranger, (b"", b"junk", bytes(1400)), 3, address)
                    self.client.send(SEQUENCE[:2], b"junk", address)
                for each in (one, other):
                    each.setblocking(False)
                    self.assertRaises(BlockingIOError, each.recv, 100)

    def test_ownQuestions(self) -> None:
        """
        A program on this host that sends from a knock port gets the answers, but no knock, not even
        one that looks like an answer.
        """
        self.controlled(SSH)
        own, port = (SERVER4, SEQUENCE[0]), 4000
        with ExitStack() as opened:
            with self.server.inside():
                asking = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                asking.bind(own)
            with self.client.inside():
                answering = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                answering.bind((CLIENT4, port))
            asking.sendto(b"question", (CLIENT4, port))
            self.assertEqual((b"question", own), answering.recvfrom(100))
            answering.sendto(b"answer", own)
            asking.settimeout(PATIENCE)
            self.assertEqual(b"answer", asking.recv(100))
            answering.sendto(b"knock\n", own)
            self.comes(lambda: self.heard() == 1)
            answering.sendto(b"answer again", own)
            self.assertEqual(b"answer again", asking.recv(100))

    def test_translated(self) -> None:
        """A client whose datagrams this host sends from a knock port gets its answers."""
        self.letServiceIn("sysctl -qw net.ipv4.ip_forward=1")
        self.server.run(
            "nft",
            "table ip nat { chain out { type nat hook postrouting priority srcnat; "
            "oifname stranger masquerade; }; }",
        )
        self.controlled(SSH)
        port, seen = 4000, []
        with ExitStack() as opened:
            for host, own in ((self.client, SEQUENCE[0]), (self.stranger, port)):
                with host.inside():
                    one = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    one.bind(("", own))
                    one.settimeout(PATIENCE)
                    seen.append(one)
            asking, answering = seen
            asking.sendto(b"question", (STRANGER4, port))
            question, source = answering.recvfrom(100)
            self.assertEqual((b"question", ("10.9.2.1", SEQUENCE[0])), (question, source))
            answering.sendto(b"answer", source)
            self.assertEqual(b"answer", asking.recv(100))

    def test_localKnock(self) -> None:
        """A knock from the host itself is heard, and answered like any packet to a closed port."""
        self.controlled(SSH)
        self.server.send(SEQUENCE, address="127.0.0.1")
        self.comes(lambda: self.heard() == len(SEQUENCE))
        for address in ("127.0.0.1", "::1"):
            self.assertEqual("ECONNREFUSED", self.probe(self.server, SEQUENCE[0], address))

    def probe(self, host: Host, port: int, address: str, payload: bytes = b"knock\n") -> str:
        """Return what a scanner sees of a UDP port: the name of an error, or nothing."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with host.inside(), closing(socket.socket(family, socket.SOCK_DGRAM)) as scanner:
            scanner.settimeout(SILENT)
            scanner.connect((address, port))
            scanner.send(payload)
            try:
                return f"{scanner.recv(100)!r}"
            except TimeoutError:
                return ""
            except OSError as error:
                return errno.errorcode[error.errno or 0]

    def checkScan(self, expected: dict[str, str]) -> None:
        """Check that knock ports and others look alike, whatever a scanner sends."""
        self.letServiceIn(
            "sysctl -qw net.ipv4.icmp_ratemask=0", "sysctl -qw net.ipv6.icmp.ratelimit=0"
        )
        self.controlled(SSH)
        ports = [*SEQUENCE, *(port + 1000 for port in SEQUENCE[:4])]
        for address in ADDRESSES:
            for payload in (b"", b"knock\n", b"junk"):
                seen = {self.probe(self.stranger, port, address, payload) for port in ports}
                self.assertEqual({expected[address]}, seen, (address, payload))

    def test_scanOpen(self) -> None:
        """On a host without a firewall."""
        self.checkScan(dict.fromkeys(ADDRESSES, "ECONNREFUSED"))

    def test_scanDropping(self) -> None:
        """On a host that drops packets to its other ports."""
        for command in (
            "add table inet host",
            "add chain inet host input { type filter hook input priority 0; policy drop; }",
            "add rule inet host input meta l4proto ipv6-icmp accept",
        ):
            self.server.run("nft", command)
        self.checkScan(dict.fromkeys(ADDRESSES, ""))

    def test_scanRejecting(self) -> None:
        """On a host that rejects them, as firewalld does."""
        for command in (
            "add table inet host",
            "add chain inet host input { type filter hook input priority 0; }",
            "add rule inet host input meta l4proto udp reject with icmpx type admin-prohibited",
        ):
            self.server.run("nft", command)
        self.checkScan({SERVER4: "EHOSTUNREACH", SERVER6: "EACCES"})


class PacketTests(CaptureTestCase):
    """The log comes before the kernel's own checks: packets that it would drop are not heard."""

    ends4: ClassVar = frames.packed(CLIENT4) + frames.packed(SERVER4)
    ends6: ClassVar = frames.packed(CLIENT6) + frames.packed(SERVER6)

    def setUp(self) -> None:
        """Have a wire from the client."""
        super().setUp()
        self.wire = Wire(self.client, self.server, "client")
        self.addCleanup(self.wire.close)

    def knock4(self, source: str = CLIENT4, target: str = SERVER4) -> bytes:
        """Return a knock on the first port."""
        ends = frames.packed(source) + frames.packed(target)
        datagram = frames.udp(ends, SEQUENCE[0], b"knock\n")
        return frames.ip4(source, target, socket.IPPROTO_UDP, datagram)

    def hears(self, *packets: bytes) -> int:
        """Return how many knocks are heard of some packets."""
        before = self.heard()
        self.wire.send([*packets, self.knock4()])
        self.comes(lambda: self.heard() > before)  # the last one is
        return self.heard() - before - 1

    def test_fragments(self) -> None:
        """A knock in fragments is heard once, when it is whole; so is one with more headers."""
        self.controlled(SSH)
        datagram = frames.udp(self.ends4, SEQUENCE[0], b"knock 30\n")
        pieces = frames.fragments4(CLIENT4, SERVER4, socket.IPPROTO_UDP, datagram, 8)
        self.assertEqual(0, self.hears(pieces[0]))
        self.assertEqual(1, self.hears(*pieces[1:]))
        options = frames.ip4(CLIENT4, SERVER4, socket.IPPROTO_UDP, datagram, options=b"\1" * 8)
        self.assertEqual(1, self.hears(options))
        datagram6 = frames.udp(self.ends6, SEQUENCE[0], b"knock\n")
        pieces = frames.fragments6(CLIENT6, SERVER6, socket.IPPROTO_UDP, datagram6, 8)
        self.assertEqual(1, self.hears(*pieces))
        extended = frames.extended([(60, b"\0" + b"\1\4" + bytes(4))], 17, datagram6)
        self.assertEqual(1, self.hears(frames.ip6(CLIENT6, SERVER6, *extended)))

    def test_checksum(self) -> None:
        """A datagram with a wrong checksum is not heard; over IPv4, one without any is."""
        self.controlled(SSH)
        datagram = frames.udp(self.ends4, SEQUENCE[0], b"knock\n")
        wrong = datagram[:6] + struct.pack("!H", 0x1234) + datagram[8:]
        self.assertEqual(0, self.hears(frames.ip4(CLIENT4, SERVER4, 17, wrong)))
        none = datagram[:6] + bytes(2) + datagram[8:]
        self.assertEqual(1, self.hears(frames.ip4(CLIENT4, SERVER4, 17, none)))

    def test_martians(self) -> None:
        """Sources that no packet can come from are not heard."""
        self.controlled(SSH)
        for source in ("127.0.0.1", SERVER4, "10.9.2.1", "10.9.1.255", "224.0.0.1", "0.0.0.0"):
            self.assertEqual(0, self.hears(self.knock4(source)), source)

    def test_destinations(self) -> None:
        """Only knocks to an address of this host are heard, not those to everybody."""
        self.controlled(SSH)
        for target in ("10.9.1.255", "255.255.255.255", "224.0.0.1", STRANGER4, "192.0.2.77"):
            self.assertEqual(0, self.hears(self.knock4(target=target)), target)
        self.assertEqual(1, self.hears(self.knock4(target="10.9.2.1")))

    def test_interfaces(self) -> None:
        """With addresses in the configuration, only knocks to those are heard."""
        self.controlled(SSH, more=f'interfaces = ["{SERVER4}"]')
        self.assertEqual(0, self.hears(self.knock4(target="10.9.2.1")))
        self.client.send(SEQUENCE, address=SERVER6)
        self.hears()
        self.assertEqual(2, self.heard())  # those that hears() itself sends

    def test_spoofed(self) -> None:
        """The sources that rp_filter refuses are refused here, too; without it none are."""
        for value, expected in ((1, 0), (0, 1), (2, 1)):
            for name in ("all", "client", "stranger"):
                self.letServiceIn(f"sysctl -qw net.ipv4.conf.{name}.rp_filter={value}")
            daemon = self.controlled(SSH)
            self.assertEqual(expected, self.hears(self.knock4(STRANGER4)), value)
            self.assertTrue(self.opensOver(SERVER4))
            daemon.stop()

    def test_spoofedLater(self) -> None:
        """An interface that appears after the start is strict if new ones are."""
        for number, (value, expected) in enumerate(((1, 0), (0, 1), (2, 1)), 7):
            for name in ("client", "stranger"):
                self.letServiceIn(f"sysctl -qw net.ipv4.conf.{name}.rp_filter=0")
            self.letServiceIn(
                "sysctl -qw net.ipv4.conf.all.rp_filter=0",
                f"sysctl -qw net.ipv4.conf.default.rp_filter={value}",
            )
            daemon = self.controlled(SSH)
            late = self.network.add(f"late{number}", number)
            with closing(Wire(late, self.server, f"late{number}")) as wire:
                wire.send([self.knock4(), self.knock4(f"10.9.{number}.2")])
                self.comes(lambda: self.heard() > 0)
            self.hears()
            self.assertEqual(2 + expected, self.heard())
            self.assertEqual(0, self.hears(self.knock4("127.0.0.1")))
            self.assertEqual(1, self.hears(self.knock4(STRANGER4)))
            daemon.stop()


class LifeTests(CaptureTestCase):
    """Overflows, other programs' groups, reloads, and the way back to sockets."""

    def test_overflow(self) -> None:
        """What the log had no room for is counted, and hearing goes on."""
        count = 60_000
        daemon = self.controlled(door("ssh", more="knock_rate = 0"))
        daemon.process.popen.send_signal(signal.SIGSTOP)
        try:
            flood(self.stranger, (b"knock\n",), count)
        finally:
            daemon.process.popen.send_signal(signal.SIGCONT)
        self.comes(lambda: self.dropped()["overflow"] + self.heard() == count)
        self.assertLess(0, self.dropped()["overflow"])
        self.assertLess(5000, self.heard())
        self.assertTrue(self.opens())
        self.assertTrue(daemon.says("a flood: "), daemon.log())

    def test_takenGroup(self) -> None:
        """If another program has a group, the daemon uses the next one."""
        other = self.server.spawn(
            "python3",
            "-c",
            "from pkdoors.firewall.netlink.logsocket import LogSocket\n"
            "import time\nlog = LogSocket()\nprint('group', log.group, flush=True)\n"
            "time.sleep(600)",
        )
        self.assertTrue(other.says(f"group {FIRST_GROUP}"), other.log())
        self.controlled(SSH)
        self.assertIn(f"log group {FIRST_GROUP + 1} ", self.listing())
        self.assertTrue(self.opensOver(SERVER4))

    def listing(self) -> str:
        """Return the guard as nft lists it."""
        return self.server.run("nft", "list", "table", "inet", "pkdoors")

    def test_reload(self) -> None:
        """A reload that changes the sequence keeps the group; the old ports are closed again."""
        self.controlled(SSH)
        sequence = tuple(port + 1000 for port in SEQUENCE)
        self.write(door("ssh", sequence))
        self.reload()
        self.assertIn(f"log group {FIRST_GROUP} ", self.listing())
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(sequence)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_healed(self) -> None:
        """After somebody's flush, knocks are heard as before."""
        daemon = self.controlled(SSH)
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(self.opensOver(SERVER4))

    def test_kinds(self) -> None:
        """From sockets to the log and back, by restarts; each hears, and openings stay."""
        for number, listen in enumerate(("sockets", "capture", "sockets", "capture")):
            self.listen = listen
            address = f"10.9.1.{50 + number}"
            ip("-n", self.client.name, "address", "add", f"{address}/24", "dev", "server")
            daemon = self.controlled(door("ssh", more='open_for = "10m"'))
            self.client.send(SEQUENCE, source=address)
            self.assertTrue(self.client.comesToReach(PORT, source=address), listen)
            self.assertEqual(number + 1, len(self.openings()))
            daemon.stop()

    def test_check(self) -> None:
        """C{check} misses no socket, and no rule in a firewall that drops knocks."""
        for command in (
            "add table inet host",
            "add chain inet host input { type filter hook input priority 0; policy drop; }",
            f"add rule inet host input tcp dport {PORT} accept",
        ):
            self.server.run("nft", command)
        self.controlled(SSH, more='listen = "capture"')
        _, output = self.server.status(str(BIN / "pkdoors"), "check", "-c", str(self.file))
        self.assertIn(
            f"all {len(SEQUENCE)} are heard without sockets, before other firewalls", output
        )
        self.assertIn("a scan of the UDP ports does not reveal the knock ports", output)
        self.assertNotIn("ERROR", output.upper())

    def test_dropped(self) -> None:
        """C{check} reports a rule that drops knocks before the guard hears them."""
        for command in (
            "add table inet early",
            "add chain inet early first { type filter hook prerouting priority -400; }",
            "add rule inet early first udp dport 17000-17999 drop",
        ):
            self.server.run("nft", command)
        self.controlled(SSH, more='listen = "capture"')
        self.client.send(SEQUENCE)
        status, output = self.server.status(str(BIN / "pkdoors"), "check", "-c", str(self.file))
        self.assertEqual((2, 0), (status, self.heard()))
        self.assertIn("(inet early first): pkdoors does not hear them", " ".join(output.split()))

    def test_auto(self) -> None:
        """If capture is preferred, C{auto} captures; the status says how knocks are heard."""
        self.listen = "auto"
        self.controlled(SSH)
        self.assertEqual(PREFERS_CAPTURE, f"log group {FIRST_GROUP} " in self.listing())
        method = "capture" if PREFERS_CAPTURE else "sockets"
        self.assertEqual(method, self.ask("/status")["listen"])
        self.assertTrue(self.opensOver(SERVER4))

    def test_killed(self) -> None:
        """
        After a daemon was killed its rules still log, to nobody; the next one gets the same group.
        """
        daemon = self.controlled(SSH)
        self.assertTrue(self.opensOver(SERVER4))
        daemon.stop(signal.SIGKILL)
        self.assertIn(f"log group {FIRST_GROUP} ", self.listing())
        flood(self.stranger, (b"knock\n",), 1000)
        self.controlled(door("ssh", more='open_for = "10m"'))
        self.assertIn(f"log group {FIRST_GROUP} ", self.listing())
        self.assertTrue(self.client.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_replaced(self) -> None:
        """No knock is lost while the guard is replaced in place, at each of many reloads."""
        count = 20_000
        self.controlled(door("ssh", more="knock_rate = 0"))
        knocking = Thread(target=flood, args=(self.stranger, (b"knock\n",), count))
        knocking.start()
        reloads = 0
        while knocking.is_alive() or reloads < 10:
            rate = 20_000 + reloads if reloads % 2 else 0
            sequence = SEQUENCE if reloads % 3 else (SEQUENCE[0], *SEQUENCE[:0:-1])
            self.write(door("ssh", sequence, more=f"knock_rate = {rate}"))
            self.reload()
            reloads += 1
        knocking.join()
        self.comes(lambda: self.heard() + sum(self.dropped().values()) == count)
        self.assertEqual({"limit": 0, "junk": 0, "overflow": 0}, self.dropped())
