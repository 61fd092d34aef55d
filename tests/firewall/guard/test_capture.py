"""Tests of L{pkdoors.firewall.guard.capture}."""

import re

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.capture import CLOSED_CHAIN, JUNK, LAST_CHAINS, SETS, Capture
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.layout import ABSENT, Present
from pkdoors.firewall.guard.sets import setsFor
from pkdoors.model.doors import Door
from pkdoors.model.knockports import TcpPort
from tests.fakes.doors import makeDoor
from tests.fakes.tables import FakeTables

SEALED = makeDoor((1, 2, 3, 4, 5), "80", name="web", authorizedKeys="/keys", knockRate=0)
DOORS = (makeDoor((11, 12, 13, 14, 15)), SEALED)

KNOCKS = """\
knock_ports tcp flags & (fin|syn|rst|psh|ack|urg) == syn tcp dport @TcpKnocks \
fib daddr type local goto knock_sources
knock_ports meta l4proto != udp accept
knock_ports udp dport != @knocks accept
knock_ports fib daddr type != local accept
knock_ports udp length 13 @th,64,40 0x6b6e6f636b udp dport @PlainKnocks \
goto knock_sources
knock_ports udp length 14-40 @th,64,48 0x6b6e6f636b20 udp dport @PlainKnocks \
goto knock_sources
knock_ports udp length 14-40 @th,64,48 0x6b6e6f636b09 udp dport @PlainKnocks \
goto knock_sources
knock_ports udp length 14-40 @th,64,48 0x6b6e6f636b0d udp dport @PlainKnocks \
goto knock_sources
knock_ports udp length 14-40 @th,64,48 0x6b6e6f636b0a udp dport @PlainKnocks \
goto knock_sources
knock_ports udp length 52-1308 @th,64,72 0x706b646f6f72733120 udp dport @SealedKnocks \
goto knock_sources
knock_ports udp dport @AnyKnocks goto knock_sources
knock_ports counter name KnockJunk
knock_sources iif "lo" goto knock_local
knock_sources fib saddr type != unicast accept
knock_sources meta nfproto ipv4 iifname @StrictKnocks fib saddr . iif oif missing accept
knock_sources udp dport vmap @KnockLimits
knock_limit_10000_10000 update @KnockRate4_10000_10000 { ip saddr \
limit rate over 10000/second burst 10000 packets } counter name KnocksDropped accept
knock_limit_10000_10000 update @KnockRate6_10000_10000 { ip6 saddr & ffff:ffff:ffff:ffff:: \
limit rate over 10000/second burst 10000 packets } counter name KnocksDropped accept
knock_sources goto knock_heard
knock_heard log group 4711 snaplen 1500
knock_closed udp dport @knocks ct state invalid accept
knock_closed meta nfproto ipv6 udp dport @knocks udp checksum 0 drop
knock_closed udp length 13 @th,64,40 0x6b6e6f636b udp dport @PlainKnocks \
reject with icmpx type port-unreachable
knock_closed udp length 14-40 @th,64,48 0x6b6e6f636b20 udp dport @PlainKnocks \
reject with icmpx type port-unreachable
knock_closed udp length 14-40 @th,64,48 0x6b6e6f636b09 udp dport @PlainKnocks \
reject with icmpx type port-unreachable
knock_closed udp length 14-40 @th,64,48 0x6b6e6f636b0d udp dport @PlainKnocks \
reject with icmpx type port-unreachable
knock_closed udp length 14-40 @th,64,48 0x6b6e6f636b0a udp dport @PlainKnocks \
reject with icmpx type port-unreachable
knock_closed udp length 52-1308 @th,64,72 0x706b646f6f72733120 udp dport @SealedKnocks \
reject with icmpx type port-unreachable
knock_closed udp dport @knocks ct direction reply accept
knock_closed udp dport @knocks reject with icmpx type port-unreachable
knock_local fib saddr type != local accept
knock_local limit rate over 1000/second burst 1000 packets counter name KnocksDropped accept
knock_local goto knock_heard
"""


TCP_CLOSED = """\
knock_closed tcp dport != @TcpKnocks accept
knock_closed tcp flags & (rst|ack) != 0x0 accept
knock_closed socket transparent 0 reject with tcp reset
knock_closed socket transparent 1 reject with tcp reset
"""


def rules(text: str) -> list[str]:
    """Return the rules in a guard's commands, those of knocks only."""
    begin = f"add rule inet {TABLE} knock_"
    lines = [line for line in text.splitlines() if line.startswith(begin)]
    return [line.removeprefix(f"add rule inet {TABLE} ") for line in lines]


def commands(capture: Capture | None, doors: tuple[Door, ...] = DOORS) -> str:
    """Return a guard's commands."""
    return Guard(doors, capture=capture).layout.commands(TABLE)


def ports(name: str, capture: Capture, doors: tuple[Door, ...] = DOORS) -> list[int]:
    """Return the ports in a set."""
    elements = Guard(doors, capture=capture).layout.elements[name]
    return [int.from_bytes(key) for key in elements]


class CaptureTests(SynchronousTestCase):
    """Tests of L{Capture} in a L{Guard}."""

    def test_rules(self) -> None:
        """What the rules are."""
        text = commands(Capture(4711))
        self.assertEqual(KNOCKS.splitlines(), rules(text))
        (hook,) = LAST_CHAINS.values()
        self.assertIn(f"add chain inet {TABLE} {CLOSED_CHAIN} {{ {hook} }}\n", text)

    def test_everything(self) -> None:
        """If everything is to be heard, nothing is sorted out."""
        found = rules(commands(Capture(4711, hearsAll=True)))
        self.assertEqual("knock_ports goto knock_sources", found[11])
        self.assertEqual("knock_sources", found[12].split()[0])

    def test_rest(self) -> None:
        """All other rules, sets and elements are as they are without it, but for the limits."""
        plain = commands(None).splitlines()
        found = commands(Capture(4711)).splitlines()
        ours = (
            "knock_",
            "PlainKnocks",
            "SealedKnocks",
            "AnyKnocks",
            "TcpKnocks",
            "StrictKnocks",
            "LooseKnocks",
            "KnockJunk",
        )
        for one, other in ((plain, found), (found, plain)):
            self.assertEqual(
                [], [line for line in one if line not in other and not any(map(line.count, ours))]
            )

    def test_noAnonymousSets(self) -> None:
        """No rule has a set without a name: it would go with its rule."""
        for rule in rules(commands(Capture(4711))):
            self.assertNotIn("{", re.sub(r"update @\S+ {.*?}", "", rule))

    def test_sets(self) -> None:
        """All ports, as plain knocks are told of everywhere; those of sealed ones; interfaces."""
        capture = Capture(4711, strict=("eth0", "br-1.2"))
        self.assertEqual([1, 2, 3, 4, 5, 11, 12, 13, 14, 15], ports("PlainKnocks", capture))
        self.assertEqual([1, 2, 3, 4, 5], ports("SealedKnocks", capture))
        strict = Guard(DOORS, capture=capture).layout.elements["StrictKnocks"]
        self.assertEqual([b"eth0".ljust(16, b"\0"), b"br-1.2".ljust(16, b"\0")], [*strict])
        self.assertEqual([], ports("StrictKnocks", Capture(4711), (SEALED,)))

    def test_newInterfaces(self) -> None:
        """If interfaces that appear later are strict, all are but those that are known as loose."""
        for loose, matched in ((None, "@StrictKnocks"), ((), "!= @LooseKnocks")):
            found = rules(commands(Capture(4711, strict=("eth0",), loose=loose)))
            strict = (
                f"knock_sources meta nfproto ipv4 iifname {matched} fib saddr . iif oif missing"
            )
            self.assertIn(f"{strict} accept", found)
        capture = Capture(4711, strict=("eth0",), loose=("eth1",))
        elements = Guard(DOORS, capture=capture).layout.elements["LooseKnocks"]
        self.assertEqual([b"eth1".ljust(16, b"\0")], list(elements))

    def test_otherKnocks(self) -> None:
        """Ports with any payload, those over TCP, and the limits for both protocols."""
        capture = Capture(4711)
        loose = makeDoor((1, TcpPort(7), 3, TcpPort(2), 5), name="loose", hearsAny=True)
        doors = (loose, *DOORS)
        self.assertEqual([1, 3, 5], ports("AnyKnocks", capture, doors))
        self.assertEqual([2, 7], ports("TcpKnocks", capture, doors))
        self.assertEqual([2, 7], ports("TcpKnockLimits", capture, doors))
        for name in ("AnyKnocks", "TcpKnocks", "TcpKnockLimits"):
            self.assertEqual([], ports(name, capture))
        found = rules(commands(capture, doors))
        self.assertIn("knock_sources tcp dport vmap @TcpKnockLimits", found)
        self.assertEqual(TCP_CLOSED.splitlines(), found[-7:-3])

    def test_names(self) -> None:
        """No door's own set, chain or counter has such a name."""
        self.assertTrue(all(re.search("[A-Z]", name) for name in (*SETS, JUNK)))
        self.assertEqual(set(), SETS.keys() & setsFor(DOORS).keys())

    def test_afterSockets(self) -> None:
        """It replaces a guard for sockets, and such a guard replaces it."""
        tables = FakeTables(Clock())
        tables.run(f"add table inet {TABLE}")
        present = ABSENT
        for capture in (None, Capture(4711), Capture(4712), None, Capture(4713)):
            layout = Guard((SEALED,), capture=capture).layout
            tables.run(layout.commands(TABLE, present))
            if removal := layout.removal(TABLE, present):
                tables.run(removal)
            table = tables.tables[TABLE]
            self.assertEqual(capture is not None, "PlainKnocks" in table.sets)
            self.assertEqual(capture is not None, JUNK in table.counters)
            logs = table.texts("knock_heard") if "knock_heard" in table.chains else []
            group = [] if capture is None else [f"log group {capture.group} snaplen 1500"]
            self.assertEqual(group, logs)
            closed = table.texts(CLOSED_CHAIN) if CLOSED_CHAIN in table.chains else []
            self.assertIs(capture is not None, bool(closed))
            present = Present({*table.chains}, {*table.sets}, {*table.counters})
        self.assertIn(CLOSED_CHAIN, table.chains)
