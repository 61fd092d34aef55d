"""Whether the protected ports are closed. Pure."""

from collections.abc import Iterable

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.model.ports import PortRange


def closed(
    ports: PortRange,
    isGuarded: bool,
    isLost: bool,
    zones: Iterable[Zone] | None,
    daemon: Daemon,
    isForwardGuarded: bool = True,
) -> Finding:
    """
    Who keeps them closed.

    @param isGuarded: whether the guard does.
    @param isForwardGuarded: whether it does so behind DNAT, too.
    @param isLost: whether other tables do, for everybody.
    @param zones: firewalld's; L{None} where it does not run.
    """
    if isGuarded:
        if isForwardGuarded:
            return Finding(OK, str(ports), "the guard keeps it closed")
        text = (
            "the guard lacks rules: it does not close the port to connections that a port "
            "forwarding (DNAT) leads elsewhere"
        )
        return Finding(ERROR, str(ports), text, f"restart the daemon ({daemon.restart()})")
    level, text = _open(ports, zones)
    if isLost:
        level, text = WARNING, "only other tables keep it closed: no guard has it"
    return Finding(level, str(ports), text, daemon.remedy())


def inGrace(ports: PortRange) -> Finding:
    """Return the finding for a UDP port that is protected for the first time."""
    text = (
        "everybody can reach it for some seconds yet: it is protected for the first time, and "
        "this host did not track who uses it"
    )
    return Finding(WARNING, str(ports), text, 'wait, or set udp_grace = "0" before a first start')


def _open(ports: PortRange, zones: Iterable[Zone] | None) -> tuple[str, str]:
    if zones is None:
        return ERROR, "everybody can reach it: the guard is not there, or does not have it"
    for zone in zones:
        for each in zone.exposing(ports):
            where = f"firewalld's zone {zone.name} ({each.what})"
            return ERROR, f"everybody can reach it in {where}, and the guard does not have it"
    return WARNING, "only firewalld keeps it closed, and not where it is forwarded: no guard has it"
