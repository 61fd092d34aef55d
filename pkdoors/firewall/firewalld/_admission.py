"""
Finds out which ports firewalld's zones let everybody reach: an opening needs no rule there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pkdoors.firewall.firewalld._exposures import Ask, Ports, servicePorts
from pkdoors.firewall.firewalld.connection import FirewalldRefusal
from pkdoors.model.ports import PortRange, mergeRanges, parsePortRange

_ALL = (PortRange("tcp", 1, 65535), PortRange("udp", 1, 65535))


@dataclass(frozen=True)
class Admission:
    """
    What firewalld lets through without rules of ours. The guard still closes these ports.

    @ivar zones: all zones that judge packets, and the ports that each lets everybody reach.
    """

    zones: Mapping[str, tuple[PortRange, ...]]

    def admits(self, zone: str, ports: Iterable[PortRange]) -> bool:
        """Return whether a zone lets everybody reach all these ports."""
        admitted = self.zones.get(zone, ())
        return all(any(each.isWithin(ranges) for ranges in admitted) for each in ports)

    def admitsEverywhere(self, ports: Iterable[PortRange]) -> bool:
        """Return whether all zones do, so nobody's packets need a rule."""
        ports = tuple(ports)
        return bool(self.zones) and all(self.admits(zone, ports) for zone in self.zones)

    def lacks(self, before: "Admission", wanted: Iterable[tuple[PortRange, ...]]) -> bool:
        """Return whether some of these ports need rules now, but did not need them before."""
        return any(
            before.admits(zone, ports) and not self.admits(zone, ports)
            for ports in set(wanted)
            for zone in before.zones
        )


NOTHING = Admission({})
"""Every opening needs rules."""


class KnownAdmission:
    """
    What is known of the admission.

    @ivar current: what firewalld lets through now; L{NOTHING} while that is unknown. Other threads
        may read it.
    @ivar isKnown: whether firewalld has signalled nothing since it was found out.
    """

    def __init__(self) -> None:
        self.current = NOTHING
        self.isKnown = False
        self._reliedOn = NOTHING

    def forget(self) -> None:
        """Assume nothing, since firewalld has changed."""
        self.current, self.isKnown = NOTHING, False

    def learn(self, zones: Iterable[str], ask: Ask) -> None:
        """
        Find out what zones let through.

        @raise FirewalldTimeout: firewalld did not answer.
        """
        self.forget()
        self.current = findAdmission(zones, ask)
        self.isKnown = True

    def rely(self) -> None:
        """Note that openings have no rules where this admits them."""
        self._reliedOn = self.current

    def isTooLittle(self, wanted: Iterable[tuple[PortRange, ...]]) -> bool:
        """
        Return whether openings that relied on the admission need rules now. In panic mode, rules
        are refused; after it, what relied on the zones relies on them again.

        @param wanted: the ports of each door, and each knock port.
        """
        if self.current is NOTHING:
            return False
        before, self._reliedOn = self._reliedOn, self.current
        return self.current.lacks(before, wanted)


def findAdmission(zones: Iterable[str], ask: Ask) -> Admission:
    """
    Return what some zones let everybody reach.

    Only what we are sure of counts. Rich rules do not: they can name a family, a source or a limit.
    Neither do services that are for some destinations alone, nor a zone that firewalld does not
    describe.

    @param zones: all zones that judge packets.
    @raise FirewalldTimeout: firewalld did not answer.
    """
    zones = tuple(zones)
    try:
        if ask("queryPanicMode"):  # then it drops everything, and refuses rules
            return NOTHING
    except FirewalldRefusal:
        return Admission(dict.fromkeys(zones, ()))
    return Admission({zone: _admittedPorts(zone, ask) for zone in zones})


def _admittedPorts(zone: str, ask: Ask) -> tuple[PortRange, ...]:
    try:
        return _readZone(zone, ask)
    except FirewalldRefusal:  # it may name a service that does not exist any more
        return ()


def _readZone(zone: str, ask: Ask) -> tuple[PortRange, ...]:
    settings = ask("getZoneSettings", zone)
    if settings.getTarget() == "ACCEPT":
        return _ALL
    ports: Ports = list(settings.getPorts())
    for service in settings.getServices():
        ports += servicePorts(service, ask, isForAllDestinations=True)
    ports += [("1-65535", protocol) for protocol in settings.getProtocols()]
    return mergeRanges(
        parsePortRange("/".join(port)) for port in ports if port[0] and port[1] in ("tcp", "udp")
    )
