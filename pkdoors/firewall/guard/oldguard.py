"""
Reads the table that pkdoors had before L{pkdoors.firewall.guard.guard}: an upgrade must close no
door, and cut nobody. Pure.

The format is what C{nft -j list table} prints; C{libnftables-json(5)}. A table that is not ours is
a L{ValueError}, a L{LookupError} or a L{TypeError}, or has nothing in it.
"""

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange
from pkdoors.model.principal import principalOf


class OldSession(NamedTuple):
    """A connection that was there before the first guard: client's address and port, our port."""

    source: Address
    sourcePort: int
    port: int


Sets = dict[str, list[Any]]
"""The name of each set of the table, and its elements."""


def readOpenings(listing: str, doors: Iterable[Door], now: float) -> list[Opening]:
    """
    The openings of doors that are as they were: with the same name and the same ports. All others
    are not worth keeping, since who earned them earned something else.

    @param listing: our table.
    @param now: the time from which the deadlines count; an opening has less left than the door
        allows, and whole seconds, since nft tells no more.
    """
    sets = _sets(listing)
    return [opening for door in doors for opening in _openings(sets, door, now)]


def readProtected(listing: str) -> list[PortRange]:
    """The ports that the guard keeps closed."""
    return [_ports(element) for element in _sets(listing).get("protected", ())]


def readLivingSessions(listing: str) -> list[OldSession]:
    """The connections that were there before the first guard, and may live on."""
    sets = _sets(listing)
    return [
        OldSession(ip_address(source), sourcePort, port)
        for name in ("live4", "live6")
        for source, sourcePort, port in (each["concat"] for each in sets.get(name, ()))
    ]


def _sets(listing: str) -> Sets:
    return {
        each["set"]["name"]: each["set"].get("elem", [])
        for each in json.loads(listing)["nftables"]
        if "set" in each
    }


def _openings(sets: Sets, door: Door, now: float) -> Iterator[Opening]:
    before = {_ports(element) for element in sets.get(f"{door.name}_ports", ())}
    if before != set(door.ports):
        return
    for version in (4, 6):
        for element in sets.get(f"{door.name}_open{version}", ()):
            timed = element["elem"] if isinstance(element, dict) else {}
            # One without a time left is none of ours, or over within this second.
            if "expires" in timed and 0 < (left := timed["expires"]):
                source = ip_address(timed["val"])
                who = principalOf(str(timed.get("comment", "")))
                yield Opening(door, source, now + min(left, door.maxOpenFor), who)


def _ports(element: Any) -> PortRange:
    protocol, ports = element["concat"]
    first, last = ports["range"] if isinstance(ports, dict) else (ports, ports)
    return PortRange(protocol, first, last)
