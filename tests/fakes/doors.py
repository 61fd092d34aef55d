"""Doors, openings, knocks and connections of tests."""

import ipaddress
import sys
from typing import Any

from pkdoors.firewall.netlink.flows import Flow
from pkdoors.knocks.knock import Knock
from pkdoors.model.doors import Door, Opening
from pkdoors.model.knockports import KnockPort
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from pkdoors.model.sources import readSource

PORTS = (17001, 17203, 17005, 17404, 17002)
"""The sequence of L{makeDoor}."""


def makeDoor(sequence: tuple[KnockPort, ...] = PORTS, ports: str = "22", **fields: Any) -> Door:
    """Return a door, by default C{default (22/tcp)}; one file of keys can be a string."""
    if isinstance(keys := fields.get("authorizedKeys"), str):
        fields["authorizedKeys"] = (keys,) if keys else ()
    return Door(**{"name": "default", **fields}, sequence=Sequence(sequence), ports=parse(ports))


parse = parsePortRanges


def listTCP(*flows: Flow) -> str:
    """Return C{/proc/net/tcp} with some connections, all over IPv4."""
    lines = ["  sl  local_address rem_address   st"]
    for each in flows:
        here, there = (
            f"{int.from_bytes(address.packed, sys.byteorder):08X}"
            for address in (each.address, each.source)
        )
        lines.append(
            f"   0: {here}:{each.port:04X} {there}:{each.sourcePort:04X} 01 00000000:00000000 "
            "00:00000000 00000000     0        0 12345 1 0000000000000000 20 4 30 10 -1"
        )
    return "\n".join(lines) + "\n"


def makeOpening(source: str = "203.0.113.9", deadline: float = 30.0, **door: Any) -> Opening:
    """Return an opening of a door of L{makeDoor}."""
    return Opening(makeDoor(**door), readSource(source), deadline)


def knocks(source: str, *ports: KnockPort, datagram: bytes = b"knock\n") -> list[Knock]:
    """Return knocks of one source on some ports."""
    return [Knock(source, port, datagram) for port in ports]


def flow(
    source: str = "203.0.113.9",
    port: int = 22,
    sourcePort: int = 40001,
    protocol: str = "tcp",
    address: str = "",
) -> Flow:
    """Return a connection to this host."""
    here = address or ("2001:db8::1" if ":" in source else "10.0.0.1")
    ends = ipaddress.ip_address(source), ipaddress.ip_address(here)
    return Flow(protocol, *ends, sourcePort, port)
