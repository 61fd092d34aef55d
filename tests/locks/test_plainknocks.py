"""Tests of L{pkdoors.locks._plainknocks}: what wrong orders cost, and whom."""

from collections.abc import Iterable
from itertools import permutations, product

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Guessing, Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sealed.authorizedkeys import parseAuthorizedKeys
from pkdoors.locks.sealed.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import ALLOWED, WARY_PENALTY
from pkdoors.model.doors import Door
from pkdoors.model.networks import PLACES
from tests.fakes.doors import knocks, makeDoor
from tests.lab.orders import rotations, superpermutation
from tests.lab.sealing import makeKey, publicLine, sealed

A, B, C, D, E, F = 1001, 1002, 1003, 1004, 1005, 1006
SSH = makeDoor((A, B, C, D, E), name="ssh")
WEB = makeDoor((B, A, C, F, D), ports="443", name="web")
ANN, BOB = "203.0.113.9", "2001:db8::7"

Sent = tuple[str, tuple[int, ...], float]
"""A source, ports, and a time."""


class PlainKnocksTestCase(SynchronousTestCase):
    """
    A test with two doors that share ports.
    """

    doors: tuple[Door, ...] = (SSH, WEB)

    def setUp(self) -> None:
        """Make their locks."""
        self.locks = Lockset(map(SequenceLock, self.doors))

    def hear(self, source: str, *ports: int, at: float = 0.0) -> list[Result]:
        """Return the results of the knocks of one source."""
        return [
            result for knock in knocks(source, *ports) for result in self.locks.hear(knock, at, 0.0)
        ]

    def opened(self, source: str, *ports: int, at: float = 0.0) -> list[str]:
        """Return the doors that the knocks open for this source."""
        results = [each for each in self.hear(source, *ports, at=at) if isinstance(each, Request)]
        self.assertEqual({source}, {each.source for each in results} | {source})
        return [each.door.name for each in results]

    def refused(self, source: str, *ports: int, at: float = 0.0) -> list[str]:
        """Return the reasons of the refusals, with their doors."""
        results = self.hear(source, *ports, at=at)
        return [f"{each.door.name}: {each.reason}" for each in results if isinstance(each, Refusal)]

    def makeWary(self, *ports: int, at: float = 0.0) -> list[Result]:
        """Make ten networks, or another number, knock in a wrong order at ssh."""
        ports = ports or (A, C)
        return [
            each for n in range(ALLOWED) for each in self.hear(f"198.51.100.{n}", *ports, at=at)
        ]


class NetworkTests(PlainKnocksTestCase):
    """
    What belongs to an address, and what to its network.
    """

    def test_household(self) -> None:
        """Two hosts of one /64 that knock at the same time both get in, each for itself."""
        hosts = ("2001:db8::1", "2001:db8::2")
        ports = [(host, port) for port in SSH.sequence.ports for host in hosts]
        self.assertEqual(
            ["ssh", "ssh"], [each for host, port in ports for each in self.opened(host, port)]
        )

    def test_penalty(self) -> None:
        """A penalty is for all addresses of a /64, and ends their progress."""
        self.hear("2001:db8::1", A, B, C)
        self.hear("2001:db8::2", A, C)
        self.assertEqual(
            ["ssh: ignored for another 5.0 s"], self.refused("2001:db8:0:0:ffff::3", E)
        )
        self.assertEqual([], self.opened("2001:db8::1", D, E, at=5.0))
        self.assertEqual(["ssh"], self.opened("2001:db8::1", A, B, C, D, E, at=5.0))

    def test_others(self) -> None:
        """Another /64, or another IPv4 address, has no penalty."""
        self.hear("2001:db8::2", A, C)
        self.hear("192.0.2.1", A, C)
        for source in ("2001:db8:0:1::2", "192.0.2.2"):
            self.assertEqual(["ssh"], self.opened(source, *SSH.sequence.ports))

    def test_parallel(self) -> None:
        """More addresses in one network try no more orders."""
        orders = list(permutations(SSH.sequence.ports))
        for row in zip(*orders, strict=True):  # all first ports, then all second ones
            for number, port in enumerate(row):
                self.assertEqual([], self.opened(f"2001:db8::{number + 1:x}", port))

    def test_memory(self) -> None:
        """One network takes no more than its places in a lock's table."""
        for number in range(5000):
            self.hear(f"2001:db8::{number + 1:x}", A)
        self.assertLessEqual(self.locks.sources()["ssh"], PLACES)

    def test_notProlonged(self) -> None:
        """More knocks do not prolong a penalty, from any address, right or wrong."""
        self.hear("2001:db8::2", A, C)
        for tenths in range(50):
            self.hear(f"2001:db8::{tenths + 1}", A, C, at=tenths / 10)
        self.assertEqual(["ssh"], self.opened("2001:db8::2", *SSH.sequence.ports, at=5.0))

    def test_longest(self) -> None:
        """A knock that is wrong at several doors costs the longest penalty."""
        doors = (
            makeDoor((A, B, C, D, E), name="one", penalty=1.0),
            makeDoor((A, B, C, E, D), name="two", penalty=8.0),
        )
        self.locks = Lockset(map(SequenceLock, doors))
        self.assertEqual(
            [f"{name}: wrong port after 1 of 5 knocks, ignored for 8 s" for name in ("one", "two")],
            self.refused(ANN, A, D),
        )
        self.assertEqual([], self.opened(ANN, A, B, C, D, E, at=7.9))

    def test_longestFirst(self) -> None:
        """So it does if the door with the longest penalty is asked first."""
        doors = (
            makeDoor((A, B, C, D, E), name="one", penalty=8.0),
            makeDoor((A, B, C, E, D), name="two", penalty=1.0),
        )
        self.locks = Lockset(map(SequenceLock, doors))
        self.hear(ANN, A, D)
        self.assertEqual([], self.opened(ANN, A, B, C, D, E, at=7.9))


class SharingTests(PlainKnocksTestCase):
    """
    What is a wrong order if doors share ports.
    """

    def test_contained(self) -> None:
        """A knock that is right at one door is forgiven at the other, in any order of the doors."""
        for door in (SSH, WEB, WEB, SSH, WEB):
            results = self.hear(ANN, *door.sequence.ports)
            self.assertEqual([Request(door, ANN, 0)], results)

    def test_again(self) -> None:
        """
        A client that lost its last datagrams can begin again, whatever its progress at the other
        door.
        """
        for door in (SSH, WEB):
            for sent in range(1, 5):
                ports = (*door.sequence.ports[:sent], *door.sequence.ports)
                self.assertEqual([Request(door, ANN, 0)], self.hear(ANN, *ports))

    def test_copies(self) -> None:
        """Duplicates are not a wrong order at the other door, either."""
        for door in (SSH, WEB):
            twice = [port for port in door.sequence.ports for _ in range(2)]
            self.assertEqual([Request(door, ANN, 0)], self.hear(ANN, *twice))

    def test_exploring(self) -> None:
        """Changing to another door in the middle is an attempt at the first door."""
        self.assertEqual(
            ["ssh: wrong port after 3 of 5 knocks, ignored for 5 s"], self.refused(ANN, A, B, C, B)
        )
        self.assertEqual([], self.opened(ANN, *WEB.sequence.ports))

    def test_completed(self) -> None:
        """A sequence opens its door even if progress at another door is lost and penalised."""
        doors = makeDoor((A, B, C, D, E), name="one"), makeDoor((1, 2, 3, 4, E), name="two")
        self.locks = Lockset(map(SequenceLock, doors))
        results = self.hear(ANN, A, B, 1, 2, 3, 4, E)
        self.assertEqual(["Request", "Refusal"], [type(each).__name__ for each in results])

    def test_slow(self) -> None:
        """
        A part of a sequence at another door expires with that sequence: this is not a wrong order.
        """
        self.hear(ANN, A, at=0.0)
        self.hear(ANN, B, at=25.0)
        self.assertEqual(
            ["ssh: too slow: 2 of 5 knocks in 30 s", "web: too slow: 1 of 5 knocks in 30 s"],
            self.refused(ANN, C, at=31.0),
        )
        self.assertEqual(["ssh"], self.opened(ANN, *SSH.sequence.ports, at=31.0))

    def test_reload(self) -> None:
        """A sequence that began before a reload is not part of one that begins after it."""
        doors = makeDoor((A, B, C, D, E), name="one"), makeDoor((1, 2, 3, 4, E), name="two")
        self.locks = Lockset(map(SequenceLock, doors))
        self.hear(ANN, A)
        self.locks = self.locks.replaceDoors(doors, {})
        results = self.hear(ANN, 1, 2, 3, 4, E)
        self.assertEqual(["Request", "Refusal"], [type(each).__name__ for each in results])


class ManyDoorsTests(PlainKnocksTestCase):
    """
    Six doors with the same six ports.
    """

    ports = (A, B, C, D, E, F)
    doors = tuple(
        makeDoor(order, name=f"d{number}")
        for number, order in enumerate(
            (
                (A, C, B, E, D, F),
                (B, D, F, A, C, E),
                (C, B, A, F, E, D),
                (D, F, E, B, A, C),
                (E, A, D, C, F, B),
                (F, E, C, D, B, A),
            )
        )
    )

    def test_each(self) -> None:
        """A client opens its door without a refusal after each of the other doors."""
        for at, door in enumerate((*self.doors, *self.doors[::-1])):
            self.assertEqual([Request(door, ANN, 0)], self.hear(ANN, *door.sequence.ports, at=at))

    def test_superpermutation(self) -> None:
        """
        The shortest row of all orders opens no door: the first wrong order costs at all doors.
        """
        row = superpermutation(self.ports)
        self.assertEqual(873, len(row))
        self.assertEqual([], self.opened(ANN, *row))
        self.assertEqual([], self.opened(ANN, *row))

    def test_insider(self) -> None:
        """Knowing one sequence does not help to try orders of another door."""
        known, other = self.doors[0].sequence.ports, self.doors[1].sequence.ports
        for cut in range(1, 6):
            self.setUp()
            self.assertEqual([], self.opened(BOB, *known[:cut], *other[:3], *known[cut:]))
        for cut in range(1, 6):
            self.setUp()
            self.assertEqual(["d0"], self.opened(BOB, *known, *other[:cut], A)[:1])
            self.assertEqual([], self.opened(BOB, *known, *other))

    def test_lateCopy(self) -> None:
        """A copy of the last knock does not begin at another door that begins with its port."""
        for at, (door, other) in enumerate(product(self.doors, self.doors)):
            row = door.sequence.ports
            results = self.hear(ANN, *row, row[-1], row[-1], at=at)
            self.assertEqual([Request(door, ANN, 0)], results)
            results = self.hear(ANN, *other.sequence.ports, at=at + 0.5)
            self.assertEqual([Request(other, ANN, 0)], results)


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
            ["ssh: wrong port after 1 of 5 knocks, ignored for 500 s"],
            self.refused(ANN, A, C, at=100.0),
        )
        for door in (SSH, WEB):
            self.assertEqual([], self.opened(ANN, *door.sequence.ports, at=599.0))
            self.assertEqual([door.name], self.opened(ANN, *door.sequence.ports, at=600.0))

    def test_beginning(self) -> None:
        """A sequence must begin with its first port, so nobody can try rotations."""
        self.makeWary()
        self.assertEqual(
            ["ssh: wrong port after 0 of 5 knocks, ignored for 600 s"], self.refused(ANN, E)
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
            ["web: wrong port after 2 of 5 knocks, ignored for 5 s"], self.refused(ANN, B, A, F)
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
        lock = SealedLock(door, HintIndex(lambda: keys), seen, SealChecks(lambda: 0.0))
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
