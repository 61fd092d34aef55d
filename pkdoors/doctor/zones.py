"""What firewalld's zones do with the ports. Pure."""

from collections.abc import Iterable, Iterator

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, WARNING, Finding
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.model.ports import PortRange


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
    wanted = sorted(set(ports))
    for zone in zones if daemon.process is not None else ():
        missing = [port for port in wanted if not _letsKnockIn(zone, port)]
        if missing:
            count = f"{len(missing)} of {len(wanted)} knock ports"
            text = f"firewalld's zone {zone.name} lacks the daemon's rules for {count}"
            if missing == wanted:
                text += ": the daemon was probably started before firewalld"
            yield Finding(ERROR, "knock ports", text, f"restart the daemon: {daemon.restart()}")


def _letsKnockIn(zone: Zone, port: int) -> bool:
    return zone.has(knockRule(port)) or bool(zone.exposing(PortRange("udp", port, port)))


def besideZones(
    knocks: Iterable[int], ports: Iterable[PortRange], zones: Iterable[Zone]
) -> Iterator[Finding]:
    """
    What firewalld shuts out where the daemon is on nftables, and does not ask firewalld.
    """
    for zone in zones:
        lost = [PortRange("udp", port, port) for port in sorted(set(knocks))]
        lost = [each for each in lost if not _letsKnockIn(zone, each.first)]
        if lost:
            subject = str(lost[0]) if len(lost) == 1 else "knock ports"
            what = "it" if len(lost) == 1 else f"{len(lost)} of them"
            yield _shut(subject, what, lost, zone, "knocks do not reach pkdoors")
        for each in ports:
            if not zone.exposing(each):
                yield _shut(str(each), "it", [each], zone, "a knock opens nothing")


def _shut(subject: str, what: str, ports: list[PortRange], zone: Zone, why: str) -> Finding:
    options = " ".join(f"--add-port={each}" for each in ports)
    command = f"firewall-cmd --zone={zone.name} {options}"
    remedy = f"`{command}` and, for good, `{command} --permanent`, or leave --firewall out"
    text = f"firewalld's zone {zone.name} does not let everybody in to {what}: {why}"
    return Finding(ERROR, subject, text, remedy)
