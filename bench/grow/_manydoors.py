"""Configurations with many doors."""

from random import Random

KNOCK_PORTS = range(40_000, 60_000)
"""Sequences are taken from these ports; none of them is protected."""
LENGTH = 5
KINDS = ("disjoint", "shared")


def writeDoors(count: int, kind: str = "disjoint") -> str:
    """
    Return the text of a file with so many doors.

    @param kind: C{disjoint} doors have ports and sequences of their own, as far as there are
        enough; C{shared} doors protect the same hundred ports, ten a door, and the sequences of all
        are taken from fifty ports.
    """
    random = Random(count)
    doors = (_writeDoor(number, *_choose(number, kind, random)) for number in range(count))
    return "\n".join(doors)


def nameDoor(number: int) -> str:
    """Return the name of one of the doors, which are numbered from 0."""
    return f"door{number}"


def _choose(number: int, kind: str, random: Random) -> tuple[list[int], str]:
    """Return the sequence of a door, and its ports."""
    if kind == "shared":
        first = 20_000 + number % 10 * 10
        return random.sample(KNOCK_PORTS[:50], LENGTH), f"{first}-{first + 9}"
    return random.sample(KNOCK_PORTS, LENGTH), str(20_000 + number)


def _writeDoor(number: int, sequence: list[int], ports: str) -> str:
    return f'[doors.{nameDoor(number)}]\nsequence = {sequence}\nports = ["{ports}"]\n'
