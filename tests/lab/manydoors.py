"""Configurations with many doors."""

from collections.abc import Sequence
from random import Random

KNOCK_PORTS = range(40_000, 60_000)
"""Sequences are taken from these ports; none of them is protected over UDP."""
LENGTH = 6
KINDS = ("disjoint", "shared")
PROTECTED = 20_000
"""A port of the first door."""


def listSequences(count: int, kind: str = "disjoint") -> list[list[int]]:
    """Return the sequences of so many doors, see L{writeDoors}."""
    random, ports = Random(count), KNOCK_PORTS[:50] if kind == "shared" else KNOCK_PORTS
    return [random.sample(ports, LENGTH) for _ in range(count)]


def writeDoors(
    count: int, kind: str = "disjoint", isChanged: bool = False, settings: Sequence[str] = ()
) -> str:
    """
    Return the text of a file with so many doors.

    @param kind: C{disjoint} doors have ports and sequences of their own, as far as there are
        enough; C{shared} doors protect the same hundred ports, ten a door, and the sequences of all
        are taken from fifty ports.
    @param isChanged: whether the last door protects one port more.
    @param settings: lines for the daemon.
    """
    more = {count - 1: ', "19000"'} if isChanged else {}
    doors = [
        f"[doors.{nameDoor(number)}]\nsequence = {sequence}\n"
        f'ports = ["{_choosePorts(number, kind)}"{more.get(number, "")}]\n'
        for number, sequence in enumerate(listSequences(count, kind))
    ]
    return "\n".join((*settings, *doors))


def nameDoor(number: int) -> str:
    """Return the name of one of the doors, which are numbered from 0."""
    return f"door{number}"


def _choosePorts(number: int, kind: str) -> str:
    if kind == "shared":
        first = PROTECTED + number % 10 * 10
        return f"{first}-{first + 9}"
    return str(PROTECTED + 2 * number)  # no two adjacent
