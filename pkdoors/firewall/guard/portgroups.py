"""Groups ports by the doors that protect them: one group for each set of doors. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange


@dataclass(frozen=True, slots=True)
class PortGroup:
    """
    Ports that the same doors protect.

    @ivar name: the name of the door, or C{Doors1} and so on if there are several: the name of a
        door has no capital letter.
    """

    name: str
    doors: tuple[Door, ...]
    ports: tuple[PortRange, ...]


def portGroups(doors: Iterable[Door], protocol: str) -> list[PortGroup]:
    """Return the groups of all protected ports of a protocol; no port is in two groups."""
    found: dict[tuple[Door, ...], list[PortRange]] = {}
    for ports, group in _pieces(list(doors), protocol):
        found.setdefault(group, []).append(ports)
    names = (f"Doors{number}" for number in range(1, len(found) + 1))
    return [
        PortGroup(group[0].name if len(group) == 1 else next(names), group, tuple(ports))
        for group, ports in found.items()
    ]


def _pieces(doors: list[Door], protocol: str) -> Iterable[tuple[PortRange, tuple[Door, ...]]]:
    """Yield each stretch of ports that the same doors protect, in order."""
    events: dict[int, tuple[list[int], list[int]]] = {}
    for index, door in enumerate(doors):
        for ports in door.ports:
            if ports.protocol == protocol:
                events.setdefault(ports.first, ([], []))[0].append(index)
                events.setdefault(ports.last + 1, ([], []))[1].append(index)
    inside: dict[int, int] = {}  # a door may name a port twice
    before = 0
    for at in sorted(events):
        if inside:
            yield (
                PortRange(protocol, before, at - 1),
                tuple(doors[index] for index in sorted(inside)),
            )
        begins, ends = events[at]
        for index in ends:
            inside[index] -= 1
            if not inside[index]:
                del inside[index]
        for index in begins:
            inside[index] = inside.get(index, 0) + 1
        before = at
