"""Tests of L{pkdoors.firewall.nftables._takeover} and L{pkdoors.firewall.nftables._liveflows}."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.earlier.oldguard import OldSession
from pkdoors.firewall.netlink.flows import Flow, Tracked
from pkdoors.firewall.nftables import _liveflows
from pkdoors.firewall.nftables._liveflows import LiveFlows, readUptime
from pkdoors.firewall.nftables._takeover import Predecessor, readOldGuard
from pkdoors.model.ports import parsePortRanges
from tests.fakes.doors import flow, listTCP, makeDoor
from tests.lab.conntracking import Entry, answerOf

OLD = flow()
NEW = flow(sourcePort=40002)
PORTS = parsePortRanges("22,53/udp")
SSH = [{"concat": ["tcp", 22]}]


def plain(flow: Flow) -> Tracked:
    """Return a connection without DNAT."""
    return Tracked(flow, flow.port)


def listing(**sets: list[Any]) -> str:
    """Return a list of the previous version's table, as nft prints it."""
    described = [{"set": {"name": name, "elem": elements}} for name, elements in sets.items()]
    return json.dumps({"nftables": described})


class IsSparedTests(SynchronousTestCase):
    """
    Tests of L{Predecessor.isSpared}.
    """

    def spared(self, predecessor: Predecessor, *cut: bool) -> list[bool]:
        """Return, for each way to treat sessions, whether each of two connections is spared."""
        return [
            predecessor.isSpared(plain(flow), [makeDoor(cutSessions=isCut)])
            for isCut in cut or (False, True)
            for flow in (OLD, NEW)
        ]

    def test_noGuardBefore(self) -> None:
        """Before there was a guard, no client had to knock."""
        self.assertEqual([True] * 4, self.spared(Predecessor()))
        self.assertEqual([True] * 4, self.spared(Predecessor(isThere=True, isStrange=True)))

    def test_guardOfThisVersion(self) -> None:
        """If a port was protected, the kernel knows which connections go on."""
        self.assertEqual([False] * 4, self.spared(Predecessor(True, protected=PORTS)))

    def test_behind(self) -> None:
        """
        A connection was guarded if the port that it asked for was, or the one that it was led to.
        """
        predecessor = Predecessor(True, protected=PORTS)
        for wanted, port, expected in ((22, 80, False), (80, 22, False), (80, 443, True)):
            tracked = Tracked(flow(port=port), wanted)
            self.assertIs(expected, predecessor.isSpared(tracked, [makeDoor()]))

    def test_isNew(self) -> None:
        """Ways past a port are new if the port is, or if the guard was of the previous version."""
        for port, expected in ((22, False), (80, True)):
            self.assertIs(expected, Predecessor(True, protected=PORTS).isNew("tcp", port))
            self.assertIs(
                True, Predecessor(True, protected=PORTS, living=frozenset()).isNew("tcp", port)
            )

    def test_otherPorts(self) -> None:
        """A port that becomes protected spares its connections; UDP and TCP are different."""
        predecessor = Predecessor(True, protected=PORTS)
        for protocol, port, expected in (
            ("tcp", 80, True),
            ("udp", 22, True),
            ("udp", 53, False),
            ("tcp", 53, True),
        ):
            tracked = plain(flow(port=port, protocol=protocol))
            self.assertIs(expected, predecessor.isSpared(tracked, [makeDoor()]), (protocol, port))

    def test_guardBefore(self) -> None:
        """
        A guard of the previous version does not know which connections it let in: if sessions are
        kept, all go on; if they are cut, only those that it had spared itself.
        """
        old = OldSession(OLD.source, OLD.sourcePort, 22)
        predecessor = Predecessor(True, protected=PORTS, living=frozenset((old,)))
        self.assertEqual([True, True], self.spared(predecessor, False))
        self.assertEqual([True, False], self.spared(predecessor, True))

    def test_forwarded(self) -> None:
        """After DNAT, both ports count, too."""
        behind = flow(port=8022, address="10.0.0.7")
        door = makeDoor(cutSessions=True)
        self.assertFalse(Predecessor(True, protected=PORTS).isSpared(Tracked(behind, 22), [door]))
        self.assertTrue(Predecessor(True, protected=PORTS).isSpared(Tracked(behind, 80), [door]))
        predecessor = Predecessor(True, protected=PORTS, living=frozenset())
        self.assertFalse(predecessor.isSpared(Tracked(behind, 22), [door]))
        known = frozenset((OldSession(behind.source, behind.sourcePort, 22),))
        predecessor = Predecessor(True, protected=PORTS, living=known)
        self.assertTrue(predecessor.isSpared(Tracked(behind, 22), [door]))


class LeftByOldTests(SynchronousTestCase):
    """
    Tests of L{readOldGuard}.
    """

    def test_found(self) -> None:
        """Ports, openings and sessions are found."""
        text = listing(
            protected=SSH,
            default_ports=SSH,
            default_open4=[{"elem": {"val": "203.0.113.9", "timeout": 60, "expires": 42}}],
            live4=[{"concat": ["203.0.113.9", 40001, 22]}],
        )
        predecessor = readOldGuard(text, [makeDoor()], 100.0, isSettled=True)
        self.assertEqual((True, False), (predecessor.isThere, predecessor.isStrange))
        self.assertEqual([142.0], [opening.deadline for opening in predecessor.openings])
        self.assertEqual([*parsePortRanges("22")], [*predecessor.protected])
        self.assertEqual({OldSession(OLD.source, 40001, 22)}, predecessor.living)

    def test_soonAfterTheBoot(self) -> None:
        """Soon after a boot, its openings may be of another boot: they do not count."""
        opening = {"elem": {"val": "203.0.113.9", "timeout": 60, "expires": 42}}
        text = listing(protected=SSH, default_ports=SSH, tcp_open4=[opening])
        predecessor = readOldGuard(text, [makeDoor()], 100.0, isSettled=False)
        self.assertEqual(([], True), (predecessor.openings, bool(predecessor.protected)))

    def test_strange(self) -> None:
        """A table that cannot be parsed, or that protects nothing, is a strange one."""
        for text in (
            "",
            "no JSON",
            "[]",
            "{}",
            listing(),
            listing(protected=[5]),
            '{"nftables": 5}',
        ):
            predecessor = readOldGuard(text, [makeDoor()], 100.0, isSettled=True)
            self.assertEqual(
                (True, True, []),
                (predecessor.isThere, predecessor.isStrange, predecessor.openings),
                text,
            )
            self.assertEqual([], [*predecessor.protected])


class LiveFlowsTests(SynchronousTestCase):
    """
    Tests of L{LiveFlows}.
    """

    def look(self, sockets: list[Flow], tracked: list[Entry]) -> LiveFlows:
        """Find the connections."""
        return LiveFlows(lambda: [listTCP(*sockets)], lambda: answerOf(tracked))

    def test_both(self) -> None:
        """Sockets and forwarded connections are found, each once, by either port."""
        behind = flow(port=8022, address="10.0.0.7")
        entries = [Entry(OLD, OLD), Entry(flow(), behind)]
        found = self.look([OLD, NEW, flow(port=80)], entries).ofPorts(PORTS)
        self.assertEqual({plain(OLD), plain(NEW), Tracked(behind, 22)}, found)
        direct = self.look([], entries).ofPorts(parsePortRanges("8022"))
        self.assertEqual({Tracked(behind, 22)}, direct)

    def test_redirected(self) -> None:
        """A socket of this host to which a port is redirected is found by that port."""
        behind = flow(port=2222)
        live = self.look([behind], [Entry(OLD, behind)])
        for ports in ("22", "2222", "22,2222"):
            self.assertEqual({Tracked(behind, 22)}, live.ofPorts(parsePortRanges(ports)), ports)

    def test_untracked(self) -> None:
        """Tracked connections show over which versions of IP tracking is at work."""
        six = flow("2001:db8::7")
        self.assertEqual({4, 6}, self.look([OLD], []).untracked)
        self.assertEqual({6}, self.look([], [Entry(OLD, OLD)]).untracked)
        self.assertEqual(set(), self.look([], [Entry(OLD, OLD), Entry(six, six)]).untracked)

    def test_refused(self) -> None:
        """If sockets cannot be read, nobody knows which connections to spare: that is an error."""

        def refuse() -> list[str]:
            raise FirewallError("cannot read /proc/self/net/tcp")

        self.assertRaises(FirewallError, LiveFlows, refuse, list)

    def test_upFor(self) -> None:
        """The uptime can be read even if other processes are hidden."""
        self.assertGreater(readUptime(), 0)

        class Hidden:
            def __init__(self, path: str) -> None:
                pass

            def read_text(self) -> str:
                raise FileNotFoundError("/proc/1/stat")

        self.patch(_liveflows, "Path", Hidden)
        self.assertGreater(readUptime(), 0)


class ReadingTests(SynchronousTestCase):
    """
    Tests of L{readSockets} and L{readConntrack}.
    """

    def setUp(self) -> None:
        """Use a folder in place of the kernel's."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.patch(_liveflows, "Path", lambda path: self.folder)

    def test_noIPv6(self) -> None:
        """A host without IPv6 has one list."""
        (self.folder / "tcp").write_text("four")
        self.assertEqual(["four"], _liveflows.readSockets())
        (self.folder / "tcp6").write_text("six")
        self.assertEqual(["four", "six"], _liveflows.readSockets())

    def test_hidden(self) -> None:
        """
        If the lists cannot be read, nobody knows which connections must go on: that is an error.
        """
        error = self.assertRaises(FirewallError, _liveflows.readSockets)
        self.assertIn("lists the connections that must not be cut", str(error))

    def test_noTracking(self) -> None:
        """If connections are not tracked, there are none."""

        class Without:
            def dump(self, question: bytes) -> None:
                raise FirewallError("no such thing")

        self.patch(_liveflows, "borrowKernel", lambda: nullcontext(Without()))
        self.assertEqual([], _liveflows.readConntrack())
