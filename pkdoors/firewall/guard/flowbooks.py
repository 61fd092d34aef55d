"""A copy of the flows that must go on, in case the kernel forgets them. Pure."""

from collections.abc import Callable, Iterable, Mapping

from pkdoors.firewall.guard.openingsets import udpTimesOf
from pkdoors.firewall.guard.sets import SPARED_IDLE, SPARED_MOST, TCP_IDLE
from pkdoors.firewall.netlink.flows import Flow, Tracked
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import SourceSet
from pkdoors.model.trusted import listNetworks

Books = Mapping[str, Mapping[bytes, float]]
"""The flows of each set of L{pkdoors.firewall.guard.sets}: key and deadline."""


class FlowBooks:
    """
    @param seconds: the clock of deadlines.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._books: dict[str, dict[bytes, float]] = {}

    def note(self, books: Books) -> None:
        """Replace the copy by what the kernel remembers now."""
        self._books = {name: dict(flows) for name, flows in books.items()}

    def living(self) -> Books:
        """Return the flows whose time is not over."""
        now = self._seconds()
        return {
            name: {key: deadline for key, deadline in flows.items() if deadline > now}
            for name, flows in self._books.items()
        }

    def addSpared(self, flows: Iterable[Flow]) -> None:
        """Note flows that existed before the guard did."""
        for flow in flows:
            version = flow.source.version
            if flow.protocol == "tcp":
                self._add(f"spared{version}", flow, TCP_IDLE)
            else:
                self._add(f"sparedudp{version}", flow, SPARED_IDLE)
                self._add(f"sparedmost{version}", flow, SPARED_MOST)

    def addLetIn(self, found: Iterable[tuple[Door, Flow]]) -> None:
        """Note flows that a guard had let in, see L{findLetIn}."""
        for door, flow in found:
            self._addLetIn(door, flow)

    def _addLetIn(self, door: Door, flow: Flow) -> None:
        version = flow.source.version
        if flow.protocol == "tcp":
            self._add(f"sessions{version}", flow, TCP_IDLE)
        elif times := udpTimesOf(door):
            self._add(times.setName("idle", version), flow, times.idle)
            self._add(times.setName("most", version), flow, times.most)

    def _add(self, name: str, flow: Flow, seconds: float) -> None:
        self._books.setdefault(name, {})[flow.key] = self._seconds() + seconds


def findLetIn(
    openings: Iterable[Opening],
    flowsTo: Callable[[tuple[PortRange, ...]], Iterable[Tracked]],
    doors: Iterable[Door] = (),
) -> list[tuple[Door, Flow]]:
    """
    Return the flows of clients whose door is open, and of trusted networks, if the door keeps
    sessions. If an opening is for one connection, nobody knows which flow used it up, and which
    ones came while there was no guard.

    @param flowsTo: returns the connections to some ports.
    """
    found: list[tuple[Door, Flow]] = []
    sources = {door: SourceSet() for door in doors if door.trusted}
    for opening in openings:
        sources.setdefault(opening.door, SourceSet()).add(opening.source)
    for door, letIn in sources.items():
        networks = listNetworks(door.trusted)
        for tracked in flowsTo(door.ports) if not door.cutSessions else ():
            source = tracked.flow.source
            isLetIn = letIn.letsIn(source) and not door.once
            if isLetIn or any(source in network for network in networks):
                found.append((door, tracked.flow))
    return found
