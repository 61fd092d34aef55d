"""What firewalld's zones do with the ports. Pure."""

from collections.abc import Callable, Iterable, Iterator

from pkdoors.doctor._daemon import NOT_BEFORE, Daemon
from pkdoors.doctor.findings import ERROR, INFO, Finding
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.model.ports import PortRange


def judgeExposure(ports: PortRange, zones: Iterable[Zone]) -> Iterator[Finding]:
    """Report zones in which only the guard keeps a port closed: before the daemon starts there is
    no guard. A service starts before the network is up."""
    for zone in zones:
        for exposure in zone.exposing(ports):
            yield Finding(
                INFO,
                str(ports),
                "between boot and the start of the daemon it is open to everybody in firewalld's "
                f"zone {zone.name} ({exposure.what})",
                f"{exposure.remedy}, unless you trust all of that zone",
            )


def judgeKnockRules(
    ports: Iterable[int], zones: Iterable[Zone], daemon: Daemon
) -> Iterator[Finding]:
    """
    Report zones that lack the rules for knocks, which the daemon adds while it runs.
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


def judgeZonesBeside(
    knocks: Iterable[int],
    ports: Iterable[PortRange],
    zones: Iterable[Zone],
    isKept: bool = True,
    isGuarded: Callable[[PortRange], bool] = lambda ports: True,
) -> Iterator[Finding]:
    """
    Report ports that firewalld closes although the daemon uses nftables alone, and so does not open
    them there.

    @param isKept: whether the guard stays. If it may be gone soon, no rule must outlive it.
    @param isGuarded: returns whether the guard keeps a protected port closed.
    """
    for zone in zones:
        closed = [PortRange("udp", port, port) for port in sorted(set(knocks))]
        closed = [knock for knock in closed if not _letsKnockIn(zone, knock.first)]
        if closed:
            subject = str(closed[0]) if len(closed) == 1 else "knock ports"
            what = "it" if len(closed) == 1 else f"{len(closed)} of them"
            effect = "knocks do not reach pkdoors"
            yield _reportClosed(subject, what, closed, zone, effect, isKept)
        for protected in ports:
            if not zone.exposing(protected):
                subject = str(protected)
                effect, isSafe = "a knock opens nothing", isGuarded(protected)
                yield _reportClosed(subject, "it", [protected], zone, effect, isKept, isSafe)


def _reportClosed(
    subject: str,
    what: str,
    ports: list[PortRange],
    zone: Zone,
    effect: str,
    isKept: bool,
    isGuarded: bool = True,
) -> Finding:
    options = " ".join(f"--add-port={wanted}" for wanted in ports)
    command = f"firewall-cmd --zone={zone.name} {options}"
    lasting = "permanently" if isKept else "only once you keep pkdoors, permanently"
    remedy = f"`{command}`, and {lasting} `{command} --permanent`; or remove --firewall"
    if not isGuarded:
        remedy = f"{NOT_BEFORE}: {remedy}"
    text = f"firewalld's zone {zone.name} does not let everybody reach {what}: {effect}"
    return Finding(ERROR, subject, text, remedy)
