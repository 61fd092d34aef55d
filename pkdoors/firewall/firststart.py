"""What an operator must know when ports close for the first time. Pure."""

from collections.abc import Iterable

from pkdoors.firewall.netlink.flows import Flow

STAY = "Stay logged in: connections that exist go on, and only new ones need a knock."
SECOND = (
    "Knock from a second terminal, and log in there, before you log out here; `pkdoors release` "
    "opens the ports again."
)


def describeSpared(flows: Iterable[Flow]) -> list[str]:
    """
    Return sentences for the operator, who may be logged in through one of the connections that a
    first guard spares. Nothing if they are all this host's own.
    """
    foreign = [flow for flow in flows if not flow.source.is_loopback]
    if not foreign:
        return []
    ports = sorted({(flow.protocol, flow.port) for flow in foreign})
    names = ", ".join(f"{port}/{protocol}" for protocol, port in ports)
    count = "1 connection" if len(foreign) == 1 else f"{len(foreign)} connections"
    return [f"{names} had {count} when pkdoors closed the ports for the first time", STAY, SECOND]
