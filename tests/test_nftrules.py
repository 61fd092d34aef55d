"""Tests of L{pkdoors.nftrules}."""

from ipaddress import ip_address

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


class CommandTests(SynchronousTestCase):
    """
    The text of nft commands.
    """

    def test_guard(self) -> None:
        """The guard is one text, and so one transaction, that replaces what was there."""
        self.assertEqual(GUARD, guard(iter([makeDoor(ports="22/tcp,6000-6010/udp")])))

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

    def test_guardTellsNoKnockPort(self) -> None:
        """The rule set, which others may list, tells no knock port."""
        self.assertNotIn("17", guard([makeDoor((17001, 17203, 17005, 17404, 17002))]))

    def test_setOf(self) -> None:
        """Each door has a set for each family."""
        self.assertEqual("default_open4", setOf(makeOpening("203.0.113.9")))
        self.assertEqual("web_open6", setOf(makeOpening("2001:db8::7", name="web")))
