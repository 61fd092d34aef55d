"""Tests of L{pkdoors.nftrules}."""

from ipaddress import ip_address
from itertools import takewhile

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.nftrules import guard, setOf
from pkdoors.sessions import Session
from tests.fakes import makeDoor, makeOpening

GUARD = """\
add table inet pkdoors
delete table inet pkdoors

table inet pkdoors {
    set protected {
        type inet_proto . inet_service; flags interval; elements = { tcp . 22, udp . 6000-6010 }
    }
    set live4 { type ipv4_addr . inet_service . inet_service; }
    set live6 { type ipv6_addr . inet_service . inet_service; }
    set default_ports {
        type inet_proto . inet_service; flags interval; elements = { tcp . 22, udp . 6000-6010 }
    }
    set default_open4 { type ipv4_addr; flags timeout; size 65536; }
    set default_open6 { type ipv6_addr; flags timeout; size 65536; }
    set knocks { type inet_service; elements = { 17001, 17002, 17005, 17203, 17404 } }
    set default_knocks { type inet_service; elements = { 17001, 17002, 17005, 17203, 17404 } }
    set default_rate4 { type ipv4_addr; flags dynamic,timeout; timeout 10s; size 4096; }
    set default_rate6 { type ipv6_addr; flags dynamic,timeout; timeout 10s; size 4096; }
    counter default_dropped { }
    chain knock_ports {
        type filter hook prerouting priority raw - 5; policy accept;
        meta l4proto != udp accept
        udp dport != @knocks accept
        fib daddr type unicast accept
        iif "lo" notrack accept
        udp dport @default_knocks update @default_rate4 { ip saddr limit rate over 10000/second \
burst 10000 packets } counter name default_dropped drop
        udp dport @default_knocks update @default_rate6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit \
rate over 10000/second burst 10000 packets } counter name default_dropped drop
        notrack
    }
    chain doors {
        meta l4proto . th dport != @protected accept
        ct state established accept
        tcp flags & (syn | rst) == 0 ip saddr . tcp sport . tcp dport @live4 accept
        tcp flags & (syn | rst) == 0 ip6 saddr . tcp sport . tcp dport @live6 accept
        meta l4proto . th dport @default_ports ip saddr @default_open4 accept
        meta l4proto . th dport @default_ports ip6 saddr @default_open6 accept
        counter drop
    }
    chain guard {
        type filter hook prerouting priority mangle - 5; policy accept;
        iif "lo" accept
        meta l4proto . th dport != @protected accept
        fib daddr type unicast accept
        goto doors
    }
    chain guard_input {
        type filter hook input priority mangle - 5; policy accept;
        iif "lo" accept
        goto doors
    }
}
"""


LIVE = [
    "tcp flags & (syn | rst) == 0 ip saddr . tcp sport . tcp dport @live4 accept",
    "tcp flags & (syn | rst) == 0 ip6 saddr . tcp sport . tcp dport @live6 accept",
]


def accepts(door: str) -> list[str]:
    """The rules that let in for whom a door is open."""
    return [
        f"meta l4proto . th dport @{door}_ports ip saddr @{door}_open4 accept",
        f"meta l4proto . th dport @{door}_ports ip6 saddr @{door}_open6 accept",
    ]


def block(text: str, head: str) -> list[str]:
    """The lines of a chain or set."""
    lines = iter(text.splitlines())
    assert f"    {head} {{" in lines, head
    return [line.strip() for line in takewhile("    }".__ne__, lines)]


class CommandTests(SynchronousTestCase):
    """
    The text of nft commands.
    """

    def test_guard(self) -> None:
        """The guard is one text, and so one transaction, that replaces what was there."""
        self.assertEqual(GUARD, guard(iter([makeDoor(ports="22/tcp,6000-6010/udp")])))

    def test_noLimit(self) -> None:
        """A door without a limit counts nobody, and its knocks are not tracked all the same."""
        doors = [makeDoor(name="a", knockRate=0), makeDoor((1, 2, 3, 4, 5), name="b", knockRate=7)]
        text = guard(doors)
        self.assertNotIn("a_rate", text)
        self.assertEqual(2, text.count("limit rate over 7/second burst 10000 packets"))
        self.assertEqual("notrack", block(text, "chain knock_ports")[-1])
        self.assertIn(
            "set knocks { type inet_service; elements = { 1, 2, 3, 4, 5, 17001, 17002, 17005, "
            "17203, 17404 } }",
            text,
        )

    def test_guardOfTwoDoors(self) -> None:
        """Each door has sets of its own; the protected ports are those of all, without overlap."""
        doors = [makeDoor(ports="22,80", name="a"), makeDoor(ports="80-90", name="b")]
        text = guard(doors)
        self.assertEqual(1, text.count("elements = { tcp . 22, tcp . 80-90 }"))
        self.assertEqual(1, text.count("elements = { tcp . 22, tcp . 80 }"))
        self.assertEqual(1, text.count("elements = { tcp . 80-90 }"))
        for line in ("@a_ports ip saddr @a_open4 accept", "@b_ports ip6 saddr @b_open6 accept"):
            self.assertEqual(1, text.count(line), line)

    def test_sessions(self) -> None:
        """Connections that live on are elements of sets of their own."""
        sessions = [
            Session(ip_address("203.0.113.9"), 40001, 22),
            Session(ip_address("2001:db8::7"), 40002, 22),
        ]
        self.assertEqual(
            [
                "add element inet pkdoors live4 { 203.0.113.9 . 40001 . 22 }",
                "add element inet pkdoors live6 { 2001:db8::7 . 40002 . 22 }",
            ],
            guard([makeDoor()], sessions=sessions).splitlines()[-2:],
        )

    def test_cut(self) -> None:
        """
        Where sessions are cut, who is not open any more gets a reset, and so does the server; what
        was there before the first guard lives on, and who is open comes in.
        """
        text = guard([makeDoor(cutSessions=True)])
        self.assertEqual(
            [
                *LIVE,
                *accepts("default"),
                "ct state established tcp flags & rst == rst accept",
                "ct state established meta l4proto tcp counter reject with tcp reset",
                "counter drop",
            ],
            block(text, "chain cut_doors"),
        )

    def test_cutBeforeEstablished(self) -> None:
        """Such packets leave the chain of all before it lets pass what is established."""
        text = guard([makeDoor(cutSessions=True)])
        self.assertEqual(
            [
                "meta l4proto . th dport != @protected accept",
                "meta l4proto . th dport @cut goto cut_doors",
                "ct state established accept",
                *LIVE,
                "counter drop",
            ],
            block(text, "chain doors"),
        )

    def test_cutBesideKeep(self) -> None:
        """A door that cuts and one that does not have each their own chain."""
        doors = [makeDoor(name="a"), makeDoor(ports="80,443", name="b", cutSessions=True)]
        text = guard(iter(doors))
        doorsChain, cutChain = block(text, "chain doors"), block(text, "chain cut_doors")
        self.assertEqual(accepts("a"), [line for line in doorsChain if "_open" in line])
        self.assertEqual(accepts("b"), [line for line in cutChain if "_open" in line])
        for name, ports in (("cut", (80, 443)), ("protected", (22, 80, 443))):
            elements = ", ".join(f"tcp . {port}" for port in ports)
            kind = "type inet_proto . inet_service; flags interval;"
            self.assertEqual([f"{kind} elements = {{ {elements} }}"], block(text, f"set {name}"))

    def test_nothingIsCut(self) -> None:
        """Where no door cuts there is none of that."""
        text = guard([makeDoor(), makeDoor(ports="80", name="web")])
        self.assertNotIn("cut", text)
        self.assertNotIn("reject", text)

    def test_guardTellsNoOrder(self) -> None:
        """The rule set tells the knock ports, as the sockets do, but not their order."""
        ports = (17001, 17203, 17005, 17404, 17002)
        other = tuple(reversed(ports))
        self.assertEqual(guard([makeDoor(ports)]), guard([makeDoor(other)]))

    def test_setOf(self) -> None:
        """Each door has a set for each family."""
        self.assertEqual("default_open4", setOf(makeOpening("203.0.113.9")))
        self.assertEqual("web_open6", setOf(makeOpening("2001:db8::7", name="web")))
