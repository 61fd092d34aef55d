"""Tests of L{pkdoors.locks._plainknocks}: wary doors, and how many orders an attacker can try."""

from collections.abc import Iterable
from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Guessing, Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sealed.checking.arrivals import Arrivals
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.keytable import KeyTable
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import ALLOWED, WARY_PENALTY
from tests.fakes.doors import knocks, makeDoor
from tests.lab.orders import rotations
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.locks.plaincase import ANN, BOB, SSH, WEB, A, B, C, D, E, F, PlainKnocksTestCase

Sent = tuple[str, tuple[int, ...], float]
"""A source, ports, and a time."""


class WaryTests(PlainKnocksTestCase):
    """
    A door after ten wrong orders.
    """

    def test_honest(self) -> None:
        """
        A client without mistakes gets in at once, as often as it likes, with duplicates or without.
        """
        self.makeWary()
        twice = [port for port in SSH.sequence.ports for _ in range(2)]
        for source in (ANN, BOB):
            for ports in (SSH.sequence.ports, SSH.sequence.ports, twice, SSH.sequence.ports):
                self.assertEqual([Request(SSH, source, 0)], self.hear(source, *ports))

    def test_lateCopies(self) -> None:
        """Late copies of the knocks that opened the door cost nothing."""
        self.makeWary()
        self.hear(ANN, *SSH.sequence.ports)
        self.assertEqual([], self.hear(ANN, E, D, E))
        self.assertEqual(["ssh"], self.opened(ANN, *SSH.sequence.ports))

    def test_lateCopiesAlone(self) -> None:
        """Nor do they at a door that shares no port with another."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.makeWary()
        self.hear(ANN, *SSH.sequence.ports)
        self.assertEqual([], self.hear(ANN, D, E, at=1.0))
        self.assertEqual(["ssh"], self.opened(ANN, *SSH.sequence.ports, at=1.0))

    def test_otherDoor(self) -> None:
        """Knocking at another door that shares ports is not a mistake at this one."""
        self.makeWary()
        for ports in (WEB.sequence.ports, (*WEB.sequence.ports[:3], *WEB.sequence.ports)):
            self.assertEqual([Request(WEB, ANN, 0)], self.hear(ANN, *ports))
            self.assertEqual([], self.hear(ANN, D))  # a copy

    def test_mistake(self) -> None:
        """After a mistake a network is ignored until the period ends, at all doors."""
        self.makeWary()
        self.assertEqual(
            ["ssh: wrong port after 1 of 5 knocks, ignored for 8m20s"],
            self.refused(ANN, A, C, at=100.0),
        )
        for door in (SSH, WEB):
            self.assertEqual([], self.opened(ANN, *door.sequence.ports, at=599.0))
            self.assertEqual([door.name], self.opened(ANN, *door.sequence.ports, at=600.0))

    def test_beginning(self) -> None:
        """A sequence must begin with its first port, so nobody can try rotations."""
        self.makeWary()
        self.assertEqual(
            ["ssh: wrong port after 0 of 5 knocks, ignored for 10m"], self.refused(ANN, E)
        )
        self.assertEqual([], self.opened(ANN, A, B, C, D, E))

    def test_site(self) -> None:
        """A mistake costs all networks of a /48."""
        self.makeWary()
        self.hear("2001:db8:0:1::1", A, C)
        self.assertEqual([], self.opened("2001:db8:0:2::1", *SSH.sequence.ports))
        self.assertEqual(["ssh"], self.opened("2001:db8:1:2::1", *SSH.sequence.ports))

    def test_otherDoorsPenalty(self) -> None:
        """A door at which nobody guesses has its own penalty."""
        self.makeWary()
        self.assertEqual(
            ["web: wrong port after 2 of 5 knocks, ignored for 5s"], self.refused(ANN, B, A, F)
        )

    def test_noPenalty(self) -> None:
        """A door without a penalty has one while it is wary."""
        self.locks = Lockset([SequenceLock(makeDoor((A, B, C, D, E), name="ssh", penalty=0.0))])
        for _ in range(ALLOWED):
            self.hear(ANN, A, C)
        self.hear(ANN, A, C)
        self.assertEqual([], self.opened(ANN, A, B, C, D, E, at=599.0))
        self.assertEqual(["ssh"], self.opened(ANN, A, B, C, D, E, at=WARY_PENALTY))

    def test_told(self) -> None:
        """The operator hears of it once, with numbers but without a port."""
        results = self.makeWary()
        (guessing,) = [each for each in results if isinstance(each, Guessing)]
        self.assertEqual(Guessing(SSH, 10, 10, 0.0), guessing)
        for number in range(100):
            results = self.hear(f"198.51.101.{number}", A, C)
            self.assertEqual(["Refusal"], [type(each).__name__ for each in results])

    def test_lossyLine(self) -> None:
        """A client that loses datagrams, and then gets in, does not make a door wary."""
        for _ in range(5 * ALLOWED):
            self.hear(ANN, A, B, D, at=0.0)
            self.locks = self.locks.replaceDoors(self.doors, {})
            self.setUpPenalty()
            self.assertEqual(["ssh"], self.opened(ANN, *SSH.sequence.ports))
        self.assertEqual([], self.refused(BOB, E))

    def setUpPenalty(self) -> None:
        """Let the penalty of the source pass."""
        self.locks._plain._penalties.put(ANN, 0.0)

    def test_reload(self) -> None:
        """After a reload the door is still wary, if its lock stays the same."""
        self.makeWary()
        self.locks = self.locks.replaceDoors(self.doors, {})
        self.assertEqual(1, len(self.refused(ANN, E)))


class SealedTests(SynchronousTestCase):
    """
    A sealed door and a plain one with the same ports.
    """

    def test_unconcerned(self) -> None:
        """Wrong orders at the plain door do not concern the sealed one."""
        key = makeKey()
        keys, _ = parseAuthorizedKeys(publicLine(key), "keys")
        door = makeDoor(SSH.sequence.ports, name="sealed", authorizedKeys="/keys")
        seen = ReplayCache(0.0, lambda *note: None)
        lock = SealedLock(
            door, HintIndex([KeyTable(lambda: keys)]), seen, SealChecks(lambda: 0.0), Arrivals()
        )
        locks = Lockset([SequenceLock(SSH), lock])

        def opened(heard: Iterable[Knock]) -> list[str]:
            results = [each for knock in heard for each in locks.hear(knock, 0.0, 1_800_000_000)]
            return [each.door.name for each in results if isinstance(each, Request)]

        for number in range(20):
            opened(knocks(f"198.51.100.{number}", A, C))
        opened(knocks(ANN, A, C))
        datagram = sealed(key, SSH.sequence.ports, door="sealed", stamp=1_800_000_000_000)
        self.assertEqual(["sealed"], opened(knocks(ANN, *SSH.sequence.ports, datagram=datagram)))
        self.assertEqual([], opened(knocks(ANN, *SSH.sequence.ports)))


class BoundTests(SynchronousTestCase):
    """
    For each of the 120 sequences of five ports: would the attacker's knocks open it?
    """

    ports = (A, B, C, D, E)

    def found(self, sent: Iterable[Sent]) -> int:
        """Return how many of all sequences the knocks would open."""
        rows = list(sent)
        return sum(self.opens(order, rows) for order in permutations(self.ports))

    def opens(self, order: tuple[int, ...], sent: Iterable[Sent]) -> bool:
        """Return whether they would open this one."""
        locks = Lockset([SequenceLock(makeDoor(order))])
        return any(
            isinstance(each, Request)
            for source, ports, at in sent
            for port in ports
            for each in locks.hear(Knock(source, port, b"knock\n"), at, 0.0)
        )

    def test_oneNetwork(self) -> None:
        """One network tries one order with its rotations in a penalty at most, then ten such
        orders, then one in ten minutes."""
        cycles = list(rotations(self.ports))
        self.assertEqual(24, len(cycles))
        self.assertEqual(5, self.found((ANN, row, 0.0) for row in cycles))
        self.assertEqual(
            5 * ALLOWED + 1, self.found((ANN, row, 6.25 * n) for n, row in enumerate(cycles))
        )

    def test_manyNetworks(self) -> None:
        """Many /64s of one site try ten orders and their rotations, then one in ten minutes."""
        orders = [*rotations(self.ports), *permutations(self.ports)]
        sent = [(f"2001:db8:0:{n:x}::1", row, n / 1000) for n, row in enumerate(orders)]
        self.assertLessEqual(self.found(sent), 5 * ALLOWED + 1)

    def test_manySites(self) -> None:
        """Each further site tries one order, and no rotations, in ten minutes."""
        orders = [*list(rotations(self.ports))[:ALLOWED], *list(permutations(self.ports))[::-1]]
        sent = [(f"2001:db8:{n:x}::1", row * 2, n / 1000) for n, row in enumerate(orders)]
        self.assertLessEqual(self.found(sent[: ALLOWED + 20]), 5 * ALLOWED + 20)

    def test_phases(self) -> None:
        """
        The time at which a penalty begins reveals nothing: sequences that begin like a slow attempt
        are heard again at the same time as all others. So one order is tried in a period, not one
        for each kind of sequence.
        """
        wary: list[Sent] = [(f"198.51.100.{n}", (*self.ports, *self.ports), 0.0) for n in range(20)]
        slow: list[Sent] = [(ANN, (port,), 3.0 * at) for at, port in enumerate(self.ports, 1)]
        # Each attempt comes when ten minutes are over for its own kind of sequence.
        kinds = ((B, A, C, D, E), (A, C, B, D, E), (A, B, D, C, E), (A, B, C, E, D))
        rest: list[Sent] = [(ANN, row, 603.0 + 3.0 * n) for n, row in enumerate(kinds)]
        before = self.found([*wary, *slow])
        self.assertEqual(before + 1, self.found([*wary, *slow, *rest]))
