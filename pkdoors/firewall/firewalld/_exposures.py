"""Finds what one of firewalld's zones lets everybody reach."""

from collections.abc import Callable, Iterator
from typing import Any

from pkdoors.firewall.firewalld.richrules import parseOpenToAll
from pkdoors.firewall.firewalld.zones import Exposure, removeCommands
from pkdoors.model.ports import PortRange, parsePortRange

Ask = Callable[..., Any]
"""Calls a method of firewalld's client by name."""

Ports = list[tuple[str, str]]
"""Pairs of a port or range and a protocol, as firewalld spells them."""


def findExposures(zone: str, ask: Ask) -> Iterator[Exposure]:
    """
    Yield everything in a zone that opens ports to all hosts in it.

    @raise FirewallError: firewalld refused, or did not answer.
    """
    settings = ask("getZoneSettings", zone)
    if settings.getTarget() == "ACCEPT":
        command = f"firewall-cmd --permanent --zone={zone} --set-target=default"
        yield Exposure(None, "its target is ACCEPT", f"`{command} && firewall-cmd --reload`")
    for protocol in settings.getProtocols():
        remedy = removeCommands(zone, f"--remove-protocol={protocol}")
        yield Exposure(PortRange(protocol, 1, 65535), f"protocol {protocol}", remedy)
    for port in settings.getPorts():
        name = "/".join(port)
        yield from _exposures([port], f"port {name}", removeCommands(zone, f"--remove-port={name}"))
    for service in settings.getServices():
        remedy = removeCommands(zone, f"--remove-service={service}")
        yield from _exposures(servicePorts(service, ask), f"service {service}", remedy)
    for rule in settings.getRichRules():
        yield from _ruleExposures(rule, removeCommands(zone, f"--remove-rich-rule='{rule}'"), ask)


def _ruleExposures(rule: str, remedy: str, ask: Ask) -> Iterator[Exposure]:
    """Yield what a rich rule opens to everybody."""
    opened = parseOpenToAll(rule)
    if opened is None:
        return
    port, protocol, service = opened
    if any(opened):
        ports = servicePorts(service, ask) if service else [(port, protocol)]
        yield from _exposures(ports, "a rich rule", remedy)
    else:
        yield Exposure(None, "a rich rule", remedy)


def servicePorts(service: str, ask: Ask, isForAllDestinations: bool = False) -> Ports:
    """
    Return the ports of a service, and of the services that it includes.

    @param isForAllDestinations: whether to leave out services that only some addresses of this host
        offer.
    """
    found: Ports = []
    todo, seen = [service], set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            settings = ask("getServiceSettings", name)
            if not (isForAllDestinations and settings.getDestinations()):
                found += settings.getPorts()
            todo += settings.getIncludes()
    return found


def _exposures(ports: Ports, what: str, remedy: str) -> Iterator[Exposure]:
    for port, protocol in ports:
        if port and protocol in ("tcp", "udp"):  # not sctp, nor a protocol without ports
            yield Exposure(parsePortRange(f"{port}/{protocol}"), what, remedy)
