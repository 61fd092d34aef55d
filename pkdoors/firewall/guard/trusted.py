"""
The sets of networks and interfaces from which clients need no knock. Pure.

Networks of one length share a hash set, which a rule asks for the masked address of the client. An
interval set would need one rule for all lengths. But the kernel stores an interval as two elements,
and adds and removes them one after the other; so a packet may find a beginning without its end, and
then the addresses after the network would be trusted. An element of a hash set matches as a whole,
or not at all; and one that stays in its set is never touched.

Anybody can forge the source of a packet. So a packet from a trusted network must also arrive at the
interface at which this host would answer it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from pkdoors.firewall.guard.openingsets import ADDRESS, maskSource
from pkdoors.model.doors import Door
from pkdoors.model.sources import Network
from pkdoors.model.trusted import isInterfaceName, listInterfaces, listNetworks

_NAME = re.compile(r".*_trusted(?:if|[46]_[0-9]{1,3})")
_NAME_BYTES = 16  # IFNAMSIZ


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """
    @ivar name: of the set in the guard's table.
    @ivar definition: the text between the braces.
    @ivar condition: of a rule, for packets from one of the elements.
    @ivar keys: the keys of its elements.
    """

    name: str
    definition: str
    condition: str
    keys: frozenset[bytes]

    def texts(self) -> list[str]:
        """Return its elements as nft shows them."""
        if self.isInterfaces:
            return [key.rstrip(b"\0").decode() for key in self.keys]
        return [str(ip_address(key)) for key in self.keys]

    @property
    def isInterfaces(self) -> bool:
        """Whether its elements are names of interfaces."""
        return self.name.endswith("if")


def trustedSets(door: Door) -> list[TrustedSet]:
    """Return the sets of what a door trusts: one for each length of a network."""
    lengths: dict[tuple[int, int], list[Network]] = {}
    for network in listNetworks(door.trusted):
        lengths.setdefault((network.version, network.prefixlen), []).append(network)
    found = [_setOf(door, networks) for networks in lengths.values()]
    interfaces = listInterfaces(door.trusted)
    if interfaces:
        name = f"{door.name}_trustedif"
        keys = frozenset(name.encode().ljust(_NAME_BYTES, b"\0") for name in interfaces)
        found.append(TrustedSet(name, "type ifname;", f"iifname @{name}", keys))
    return found


def _setOf(door: Door, networks: list[Network]) -> TrustedSet:
    version, length = networks[0].version, networks[0].prefixlen
    name = f"{door.name}_trusted{version}_{length}"
    return TrustedSet(
        name,
        f"type {ADDRESS[version]};",
        f"{maskSource(version, length)} @{name} fib saddr . iif oif exists",
        frozenset(network.network_address.packed for network in networks),
    )


def isTrustedSet(name: str) -> bool:
    """Return whether a set has networks or interfaces that some door trusts."""
    return _NAME.fullmatch(name) is not None


def changeTrusted(where: str, door: Door, present: Mapping[str, frozenset[bytes]]) -> Iterator[str]:
    """
    Yield the commands that give the sets of a door their elements. What stays is not touched, so
    nobody who is trusted is kept out meanwhile.

    @param where: the family and the name of the table.
    @param present: the keys in the kernel, by the names of the sets.
    """
    for trusted in trustedSets(door):
        there = present.get(trusted.name, frozenset())
        spell = partial(_spellKey, isInterface=trusted.isInterfaces)
        gone = list(map(spell, sorted(there - trusted.keys)))
        if not all(gone):  # somebody added what cannot be written
            yield f"flush set {where} {trusted.name}"
            there, gone = frozenset(), []
        new = list(map(spell, sorted(trusted.keys - there)))
        for verb, keys in (("delete", gone), ("add", new)):
            if keys:
                yield f"{verb} element {where} {trusted.name} {{ {', '.join(keys)} }}"


def _spellKey(key: bytes, isInterface: bool) -> str:
    """
    Return a key as nft reads it; empty for the name of an interface that cannot be trusted: as text
    it might mean something else to nft.
    """
    if not isInterface:
        return str(ip_address(key))
    name = key.rstrip(b"\0").decode("ascii", "replace")
    return f'"{name}"' if isInterfaceName(name) else ""
