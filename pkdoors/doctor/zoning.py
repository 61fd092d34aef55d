"""What firewalld's zones do with the ports. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pkdoors.doctor.findings import ERROR, WARNING, Finding
from pkdoors.doctor.running import Daemon
from pkdoors.ports import PortRange
from pkdoors.richrules import knockRule
from pkdoors.zones import Exposure


@dataclass(frozen=True)
class Zone:
    """
    @ivar target: what becomes of packets that nothing else decides on.
    @ivar exposures: what it lets everybody reach.
    @ivar rules: its rich rules.
    """

    name: str
    target: str
    exposures: tuple[Exposure, ...] = ()
    rules: tuple[str, ...] = ()

    @cached_property
    def _ruleSet(self) -> frozenset[str]:
        return frozenset(self.rules)

    def has(self, rule: str) -> bool:
        """Return whether it has a rich rule."""
        return rule in self._ruleSet

    def exposing(self, ports: PortRange) -> list[Exposure]:
        """What lets everybody reach one of these ports."""
        return [each for each in self.exposures if each.reaches(ports)]


def exposed(ports: PortRange, zones: Iterable[Zone]) -> Iterator[Finding]:
    """Where only the guard keeps a port closed, which is not there before the daemon's start."""
    for zone in zones:
        for each in zone.exposing(ports):
            yield Finding(
                WARNING,
                str(ports),
                "between boot and the start of the daemon it is open to everybody in firewalld's "
                f"zone {zone.name} ({each.what})",
                f"{each.remedy}, unless you trust all of that zone",
            )


def knocksLetIn(ports: Iterable[int], zones: Iterable[Zone], daemon: Daemon) -> Iterator[Finding]:
    """
    Whether knocks come through, with firewalld: the daemon sees to it while it runs.
    """
    for zone in zones:
        for port in sorted(set(ports)):
            if daemon.process is not None and not _letsKnockIn(zone, port):
                text = f"the daemon's rule for knocks is missing in firewalld's zone {zone.name}"
                yield Finding(ERROR, f"{port}/udp", text, daemon.remedy())


def _letsKnockIn(zone: Zone, port: int) -> bool:
    return zone.has(knockRule(port)) or bool(zone.exposing(PortRange("udp", port, port)))


def besideZones(
    knocks: Iterable[int], ports: Iterable[PortRange], zones: Iterable[Zone]
) -> Iterator[Finding]:
    """
    What firewalld shuts out where the daemon is on nftables, and does not ask firewalld.
    """
    for zone in zones:
        for knock in sorted(set(knocks)):
            if not _letsKnockIn(zone, knock):
                yield _shut(PortRange("udp", knock, knock), zone, "knocks do not reach pkdoors")
        for each in ports:
            if not zone.exposing(each):
                yield _shut(each, zone, "a knock opens nothing")


def _shut(ports: PortRange, zone: Zone, why: str) -> Finding:
    command = f"firewall-cmd --zone={zone.name} --add-port={ports}"
    remedy = f"`{command}` and, for good, `{command} --permanent`, or leave --firewall out"
    text = f"firewalld's zone {zone.name} does not let everybody in to it: {why}"
    return Finding(ERROR, str(ports), text, remedy)
