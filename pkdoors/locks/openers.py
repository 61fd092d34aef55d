"""Finds doors whose sequence opens another door, too. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort


@dataclass(slots=True, eq=False)
class _Node:
    """
    The beginning of some sequences, in a tree of all.

    @ivar length: how many ports the beginning has.
    @ivar last: the last of them.
    @ivar needed: the ports that all these sequences have.
    @ivar further: the longer beginnings, by the next port.
    @ivar doors: those whose whole sequence this is.
    """

    length: int
    last: KnockPort | None
    needed: frozenset[KnockPort]
    further: "dict[KnockPort, _Node]" = field(default_factory=dict)
    doors: list[Door] = field(default_factory=list)

    def isLost(self, ports: Iterable[KnockPort]) -> bool:
        """
        Return whether knocks that follow the beginning, and that are not the next one, end it for
        all its doors. A lock does not hear a port that it lacks, and takes the last one again for
        the network's duplicate, unless that is the first, which starts over.
        """
        return any(
            port in self.needed and (port != self.last or self.length == 1) for port in ports
        )


def findOpeners(doors: Iterable[Door]) -> Iterator[tuple[Door, Door]]:
    """
    Yield pairs of doors: knocking the sequence of the first opens the second, too, as the daemon's
    locks judge it. The time grows with the number of doors, not with that of pairs.

    @param doors: those that plain knocks open.
    """
    doors = tuple(doors)
    root = _Node(0, None, frozenset())
    for door in doors:
        _insert(root, door)
    for door in doors:
        for other in _findCandidates(door.sequence.ports, root):
            if other is not door and _opens(door, other):
                yield door, other


def _insert(root: _Node, door: Door) -> None:
    node, needed = root, frozenset(door.sequence.ports)
    for port in door.sequence.ports:
        after = node.further.get(port)
        if after is None:
            after = node.further[port] = _Node(node.length + 1, port, needed)
        else:
            after.needed &= needed
        node = after
    node.doors.append(door)


def _findCandidates(ports: Sequence[KnockPort], root: _Node) -> Iterable[Door]:
    """Return the doors that these knocks may open, and few others."""
    found: dict[str, Door] = {}
    reached: dict[_Node, int] = {}  # at which knock: the last one that can have led there
    waiting: dict[KnockPort, dict[_Node, None]] = {}  # for their next port
    for at, port in enumerate(ports):
        before = [
            node for node in waiting.get(port, ()) if not node.isLost(ports[reached[node] + 1 : at])
        ]
        for node in (root, *before):
            after = node.further.get(port)
            if after is not None:
                reached[after] = at
                found.update((door.name, door) for door in after.doors)
                for further in after.further:
                    waiting.setdefault(further, {})[after] = None
    return found.values()


def _opens(door: Door, other: Door) -> bool:
    """Return whether the sequence of a door opens another door."""
    locks = Lockset([SequenceLock(door), SequenceLock(other)])
    heard = [locks.hear(Knock("", port, b"knock\n"), 0.0, 0.0) for port in door.sequence.ports]
    requests = [result for results in heard for result in results if isinstance(result, Request)]
    return other in [request.door for request in requests]
