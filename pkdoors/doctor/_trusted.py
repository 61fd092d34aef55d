"""Who needs no knock, and why that may be more than the operator means. Pure."""

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.doors import Door
from pkdoors.model.sources import Network
from pkdoors.model.trusted import listInterfaces, listNetworks

LARGE = 1 / 256
"""The share of all public addresses from which on a trusted network is large."""
_LINK_LOCAL = IPv6Network("fe80::/10")
_PUBLIC = {4: 2**32, 6: 2**125}
"""The number of all public addresses: 2000::/3 over IPv6."""


def judgeTrusted(
    door: Door, present: Collection[str], defaults: Collection[str]
) -> Iterator[Finding]:
    """
    Report who needs no knock at a door, and why that may be more than the operator means.

    @param present: the interfaces of this host.
    @param defaults: those of its default routes.
    """
    where, change = f"door {door.name}", f"change trusted of door {door.name}, and reload"
    networks = listNetworks(door.trusted)
    for text in _judgeWidth(networks):
        yield Finding(ERROR, "trusted", f"{where}: {text}", change)
    for network in networks:
        level, text, remedy = _judgeNetwork(network, door)
        if text:
            yield Finding(level, "trusted", f"{where}: {text}", remedy or change)
    for name in listInterfaces(door.trusted):
        if name == "lo":
            text = "lo need not be trusted: the guard does not close ports to this host itself"
            yield Finding(INFO, "trusted", f"{where}: {text}", f"remove it: {change}")
        elif name not in present:
            text = f"there is no interface {name} now; clients are trusted once it is there"
            yield Finding(INFO, "trusted", f"{where}: {text}", f"if the name is wrong, {change}")
        elif name in defaults:
            text = f"{name} has the default route: whoever can reach it from there needs no knock"
            yield Finding(WARNING, "trusted", f"{where}: {text}", change)
    trusted = ", ".join(map(str, door.trusted))
    yield Finding(OK, "trusted", f"{where}: no knock needed from {trusted}")


def _judgeWidth(networks: Iterable[Network]) -> Iterator[str]:
    """Yield a sentence for each version of IP of which half of the Internet is trusted."""
    networks = list(networks)
    four = [network for network in networks if isinstance(network, IPv4Network)]
    six = [network for network in networks if isinstance(network, IPv6Network)]
    totals = {
        4: sum(network.num_addresses for network in collapse_addresses(four)),
        6: sum(network.num_addresses for network in collapse_addresses(six)),
    }
    for version, total in totals.items():
        if total >= _PUBLIC[version] // 2:
            yield f"half of all IPv{version} addresses or more need no knock"


def _judgeNetwork(network: Network, door: Door) -> tuple[str, str, str]:
    """Return the level, the text and the remedy for what a trusted network may mean; empty texts
    for nothing special."""
    if network.is_loopback:
        text = f"{network} need not be trusted: the guard does not close ports to this host itself"
        return INFO, text, ""
    if network.overlaps(_LINK_LOCAL):
        text = f"{network} is on every interface: neighbours on each network need no knock"
        return WARNING, text, "trust the interface by its name instead"
    if not network.is_global:
        return INFO, "", ""
    if network.num_addresses >= LARGE * _PUBLIC[network.version]:
        return WARNING, f"{network} is a large part of the Internet", ""
    if any(ports.protocol == "udp" for ports in door.ports):
        text = (
            f"{network} is a public network: anybody can forge its addresses on the interface "
            "where its packets arrive, and a UDP service may act on a single forged datagram"
        )
        return INFO, text, "if the service does, trust a VPN's interface instead"
    return INFO, "", ""
