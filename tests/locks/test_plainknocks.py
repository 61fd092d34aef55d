"""Tests of L{pkdoors.locks._plainknocks}: what wrong orders cost, and whom."""

from itertools import permutations, product

from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.networks import PLACES
from tests.fakes.doors import makeDoor
from tests.lab.orders import superpermutation
from tests.locks.plaincase import ANN, BOB, SSH, WEB, A, B, C, D, E, F, PlainKnocksTestCase


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
        self.assertEqual(["ssh: ignored for another 5s"], self.refused("2001:db8:0:0:ffff::3", E))
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
            [f"{name}: wrong port after 1 of 5 knocks, ignored for 8s" for name in ("one", "two")],
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
            ["ssh: wrong port after 3 of 5 knocks, ignored for 5s"], self.refused(ANN, A, B, C, B)
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
            ["ssh: too slow: 2 of 5 knocks in 30s", "web: too slow: 1 of 5 knocks in 30s"],
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
