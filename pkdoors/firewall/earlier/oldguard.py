"""
Reads the table that pkdoors had before L{pkdoors.firewall.guard.guard}: an upgrade must not close
a door, nor cut a connection. Pure.

The format is that of C{nft -j list table}; C{libnftables-json(5)}. A table that is not ours raises
a L{ValueError}, a L{LookupError} or a L{TypeError}, or has nothing in it.
"""

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange
from pkdoors.model.principal import parsePrincipal


class OldSession(NamedTuple):
    """A connection that existed before the first guard: the client's address and port, our port."""

    source: Address
    sourcePort: int
    port: int


Sets = dict[str, list[Any]]
"""The name of each set of the table, and its elements."""


def readOpenings(listing: str, doors: Iterable[Door], now: float) -> list[Opening]:
    """
    Return the openings of the doors that still have the same name and the same ports. Others are
    not kept, because they were granted for different ports.

    @param listing: our table.
    @param now: the present time, for the deadlines. An opening has at most the time that the door
        allows, in whole seconds, because nft prints no fractions.
    """
    sets = _sets(listing)
    return [opening for door in doors for opening in _openings(sets, door, now)]


def readProtected(listing: str) -> list[PortRange]:
    """Return the ports that the guard keeps closed."""
    return [_ports(element) for element in _sets(listing).get("protected", ())]


def readLivingSessions(listing: str) -> list[OldSession]:
    """Return the connections that existed before the first guard, and may go on."""
    sets = _sets(listing)
    return [
        OldSession(ip_address(source), sourcePort, port)
        for name in ("live4", "live6")
        for source, sourcePort, port in (element["concat"] for element in sets.get(name, ()))
    ]


def _sets(listing: str) -> Sets:
    return {
        item["set"]["name"]: item["set"].get("elem", [])
        for item in json.loads(listing)["nftables"]
        if "set" in item
    }


def _openings(sets: Sets, door: Door, now: float) -> Iterator[Opening]:
    before = {_ports(element) for element in sets.get(f"{door.name}_ports", ())}
    if before != set(door.ports):
        return
    for version in (4, 6):
        for element in sets.get(f"{door.name}_open{version}", ()):
            timed = element["elem"] if isinstance(element, dict) else {}
            # An opening of ours has a time left; within its last second, nft prints 0.
            if "expires" in timed and 0 < (left := timed["expires"]):
                source = ip_address(timed["val"])
                who = parsePrincipal(str(timed.get("comment", "")))
                yield Opening(door, source, now + min(left, door.maxOpenFor), who)


def _ports(element: Any) -> PortRange:
    protocol, ports = element["concat"]
    first, last = ports["range"] if isinstance(ports, dict) else (ports, ports)
    return PortRange(protocol, first, last)
