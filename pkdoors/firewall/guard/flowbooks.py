"""A copy of the flows that must go on, in case the kernel forgets them. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping

from pkdoors.firewall.guard.openingsets import UdpTimes, udpTimesOf
from pkdoors.firewall.guard.sets import SPARED_IDLE, SPARED_MOST, TCP_IDLE, timesFor
from pkdoors.firewall.netlink.flows import Flow, Tracked, isOn, parseFlow
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import SourceSet
from pkdoors.model.trusted import listNetworks

Books = Mapping[str, Mapping[bytes, float]]
"""The flows of each set of L{pkdoors.firewall.guard.sets}: key and deadline."""
_UDP_FLOWS = re.compile(r"udp(idle|most|new)([46])_.*")


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


def isUdpFlows(name: str) -> bool:
    """Return whether a set has the flows of UDP sessions that a guard has let in."""
    return _UDP_FLOWS.fullmatch(name) is not None


def findMoved(doors: Iterable[Door], books: Books) -> Books:
    """
    Return the UDP flows whose door has other times now, in the sets for these.

    @param books: all flows.
    """
    doors = list(doors)
    every = timesFor(doors)
    byPort: dict[int, list[UdpTimes]] = {}
    moved: dict[str, dict[bytes, float]] = {}
    for name in sorted(books):
        match = _UDP_FLOWS.fullmatch(name)
        for key, deadline in books[name].items() if match else ():
            port = parseFlow("udp", key).port
            if port not in byPort:
                times = timesFor(door for door in doors if isOn(door.ports, "udp", port))
                # After DNAT the port says nothing about the door.
                byPort[port] = times or every
            for each in byPort[port]:
                own = each.setName(match[1], int(match[2])) if match else ""
                if own != name:
                    moved.setdefault(own, {})[key] = deadline
    return moved


def findCut(doors: Iterable[Door], books: Books) -> dict[str, list[bytes]]:
    """
    Return the sessions of doors that cut them, by the names of their sets.

    @param books: all flows.
    """
    cut = [ports for door in doors if door.cutSessions for ports in door.ports]
    return {
        name: [key for key in books.get(name, ()) if isOn(cut, "tcp", parseFlow("tcp", key).port)]
        for name in (("sessions4", "sessions6") if cut else ())
    }
