"""Tests of L{pkdoors.model.sharing}: sorted ports, beside trying all pairs of doors."""

from collections.abc import Callable
from itertools import combinations, permutations
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.doors import Door
from pkdoors.model.knockports import asRange
from pkdoors.model.sharing import findClosedKnockPorts, findMixedSessions
from tests.fakes.doors import makeDoor
from tests.lab.growth import measureGrowth


def makeDoors(random: Random, count: int) -> list[Door]:
    """Return doors with ranges of ports, which overlap others' ports and knock ports."""
    doors: list[Door] = []
    while len(doors) < count:
        first = [random.randrange(1, 60) for _ in range(2)]
        ports = ",".join(
            f"{at}-{at + random.randrange(20)}/{random.choice(['tcp', 'udp'])}" for at in first
        )
        knocks = tuple(random.choices(range(1, 400), k=5))
        isCut = random.random() < 0.2
        try:
            doors.append(makeDoor(knocks, ports=ports, name=f"d{len(doors)}", cutSessions=isCut))
        except BadValue:  # its own knock port
            continue
    return doors


class SharingTests(SynchronousTestCase):
    """Whatever the doors, something is found if and only if there is a pair that must not be."""

    def setUp(self) -> None:
        """Make doors, many times."""
        random = Random(7)
        self.examples = [makeDoors(random, random.randrange(1, 7)) for _ in range(500)]

    def test_knockPorts(self) -> None:
        """A door that protects a knock port of another one."""
        count = 0
        for doors in self.examples:
            pairs = {
                (door.name, other.name)
                for door, other in permutations(doors, 2)
                for port in door.sequence.ports
                if any(map(asRange(port).overlaps, other.ports))
            }
            found = {(door.name, other.name) for door, other in findClosedKnockPorts(doors)}
            self.assertLessEqual(found, pairs)
            self.assertEqual(bool(pairs), bool(found))
            count += bool(pairs)
        self.assertTrue(100 < count < 400, count)

    def test_sessions(self) -> None:
        """Two doors with the same port, of which one cuts sessions."""
        count = 0
        for doors in self.examples:
            pairs = {
                (door.name, other.name, port)
                for door, other in combinations(doors, 2)
                for port in door.ports
                if any(map(port.overlaps, other.ports)) and door.cutSessions != other.cutSessions
            }
            found = {(one.name, other.name, port) for one, other, port in findMixedSessions(doors)}
            self.assertLessEqual(found, pairs)
            self.assertEqual(bool(pairs), bool(found))
            count += bool(pairs)
        self.assertTrue(100 < count < 400, count)

    def test_linear(self) -> None:
        """Both take twice as long for twice as many doors, also if all share one port."""

        def makeWork(count: int) -> Callable[[], object]:
            doors = [
                makeDoor((901, 902, 903, 904, 905), ports=f"22,{1000 + at}", name=f"d{at}")
                for at in range(count)
            ]
            return lambda: self.assertEqual(
                [], [*findClosedKnockPorts(doors), *findMixedSessions(doors)]
            )

        self.assertLess(measureGrowth(makeWork, 100, 8), 1.5)
