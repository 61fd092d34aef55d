"""
The sets of networks and interfaces from which clients need no knock. Pure.

Networks of one length share a hash set for all doors, which a rule asks for the masked address of
the client and the port. An interval set would need one rule for all lengths. But the kernel stores
an interval as two elements, and adds and removes them one after the other; so a packet may find a
beginning without its end, and then the addresses after the network would be trusted. An element of
a hash set matches as a whole, or not at all; and one that stays in its set is never touched.

Anybody can forge the source of a packet. So a packet from a trusted network must also arrive at the
interface at which this host would answer it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

from pkdoors.firewall.guard.openingsets import ADDRESS, Access, Scope, accessesOf
from pkdoors.model.doors import Door
from pkdoors.model.trusted import listInterfaces, listNetworks

_NAME = re.compile(r"(?:tcp|udp)_trusted(if|[46](?:_[0-9]{1,3})?)(?:_by[0-9]+)?(?:_[0-9]+ms)*")
NAME_BYTES = 16
"""IFNAMSIZ: the bytes of an interface's name in a key."""
_PORT_BYTES = 4


class TrustedLookup(NamedTuple):
    """
    A kind of trusted clients, and of their access to ports.

    @ivar scope: what is compared of their address; L{None} for their interface.
    """

    access: Access
    scope: Scope | None

    @property
    def name(self) -> str:
        """The name of the set."""
        return self.access.setName(self.scope.suffix if self.scope else "if", "trusted")

    @property
    def type(self) -> str:
        """The type of its elements, as nft reads it."""
        first = ADDRESS[self.scope.version] if self.scope else "ifname"
        return f"type {first} . inet_service;"

    def condition(self, port: str) -> str:
        """
        Return the condition of a rule.

        @param port: the port in a packet.
        """
        if self.scope is None:
            return f"iifname . {port} @{self.name}"
        # Not "iif": that would be the interface's number, which it loses when it goes.
        return f"{self.scope.field} . {port} @{self.name} fib saddr . iif oif exists"


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """
    @ivar type: the type of its elements, as nft reads it.
    @ivar keys: the keys of its elements.
    """

    type: str
    keys: set[bytes] = field(default_factory=set)


def trustedLookups(door: Door, access: Access) -> Iterator[TrustedLookup]:
    """Yield the kinds of clients that a door trusts."""
    if not door.trusted:
        return
    scopes = {Scope(each.version, each.prefixlen) for each in listNetworks(door.trusted)}
    for scope in sorted(scopes):
        yield TrustedLookup(access, scope)
    if listInterfaces(door.trusted):
        yield TrustedLookup(access, None)


def trustedSets(doors: Iterable[Door]) -> dict[str, TrustedSet]:
    """Return the sets of what doors trust, by name."""
    found: dict[str, TrustedSet] = {}
    for door in doors:
        clients: list[tuple[Scope | None, bytes]] = [
            (Scope(each.version, each.prefixlen), each.network_address.packed)
            for each in listNetworks(door.trusted)
        ]
        clients += [
            (None, name.encode().ljust(NAME_BYTES, b"\0")) for name in listInterfaces(door.trusted)
        ]
        for ports in door.ports if clients else ():
            for access, block in accessesOf(door, ports):
                for scope, key in clients:
                    lookup = TrustedLookup(access, scope)
                    there = found.setdefault(lookup.name, TrustedSet(lookup.type))
                    there.keys.add(key + access.key(block))
    return found


def isTrustedSet(name: str) -> bool:
    """Return whether a set has networks or interfaces that some door trusts."""
    return _NAME.fullmatch(name) is not None


def nameTrusted(name: str, client: str) -> str:
    """
    Return a trusted network or interface as a configuration has it.

    @param name: of its set.
    @param client: the network's address, or the interface's name, as nft shows it.
    """
    match = _NAME.fullmatch(name)
    length = match[1].partition("_")[2] if match else ""
    return f"{client}/{length}" if length else client


def spellTrusted(name: str, key: bytes) -> str:
    """Return the address or the interface of an element of a set, as nft shows it."""
    match, client = _NAME.fullmatch(name), key[:-_PORT_BYTES]
    if match and match[1] == "if":
        return client.rstrip(b"\0").decode("ascii", "replace")
    return str(ip_address(client))
