"""
The sets of one door's openings: one for addresses, and one for each length of networks. Pure.

An opening for a network is an element like any other, in a set whose rule compares only the first
bits of a packet's source. A set of intervals would do it without a rule for each length, but while
an element of such a set changes, the kernel may find neither the old nor the new one.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network
from typing import NamedTuple

from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import WHOLE, isNetwork, lengthOf

IP = {4: "ip", 6: "ip6"}
"""How nft names a version of IP."""
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
"""How nft names the type of an address."""
_ZERO = {4: "0.0.0.0", 6: "::"}
_NAME = re.compile(r"(.+)_(open|once)([46])(?:_([0-9]{1,3}))?")


class OpeningSet(NamedTuple):
    """
    A set of openings.

    @ivar door: the name of the door.
    @ivar version: of IP, 4 or 6.
    @ivar length: how many bits of an address are compared.
    @ivar isOnce: whether each opening is for one connection. Such openings have sets of their own,
        so that a change of the rules never makes them into more.
    """

    door: str
    version: int
    length: int
    isOnce: bool = False

    @property
    def name(self) -> str:
        """The name in the guard's table: C{ssh_open4}, or C{ssh_open4_24} for networks."""
        return self._named("once" if self.isOnce else "open")

    @property
    def used(self) -> str:
        """The name of the set that says which openings for one connection are used."""
        return self._named("used")

    @property
    def first(self) -> str:
        """The chain that lets in the first connection of such an opening."""
        return self._named("first")

    def _named(self, kind: str) -> str:
        suffix = "" if self.length == WHOLE[self.version] else f"_{self.length}"
        return f"{self.door}_{kind}{self.version}{suffix}"

    @property
    def field(self) -> str:
        """The field of a packet that is looked up."""
        return maskSource(self.version, self.length)


def maskSource(version: int, length: int) -> str:
    """Return the first bits of a packet's source, as nft reads them."""
    source = f"{IP[version]} saddr"
    if length == WHOLE[version]:
        return source
    return f"{source} & {ip_network((_ZERO[version], length)).netmask}"


def openingSets(door: Door, networks: Iterable[OpeningSet] = ()) -> list[OpeningSet]:
    """
    Return the sets of a door: those that it always has, and those of networks of other lengths,
    which operators open.

    @param networks: the sets of all doors that openings need.
    """
    always = {OpeningSet(door.name, version, bits, door.once) for version, bits in WHOLE.items()}
    for key, length in door.grants().items():
        always.add(OpeningSet(door.name, int(key[-1]), length, door.once))
    own = {found for found in networks if found[::3] == (door.name, door.once)}
    return sorted(always | own, key=lambda found: (found.version, -found.length))


def setOf(opening: Opening) -> OpeningSet:
    """Return the set that has an opening as an element."""
    source = opening.source
    return OpeningSet(opening.door.name, source.version, lengthOf(source), opening.door.once)


def networkSets(openings: Iterable[Opening]) -> frozenset[OpeningSet]:
    """Return the sets of networks that some openings need."""
    return frozenset(setOf(opening) for opening in openings if isNetwork(opening.source))


def findSets(names: Collection[str], door: Door) -> Iterator[OpeningSet]:
    """Yield a door's sets of openings among the names of sets in a table."""
    for name in sorted(names):
        match = _NAME.fullmatch(name)
        if match is not None and match[1] == door.name:
            version = int(match[3])
            found = OpeningSet(door.name, version, int(match[4] or WHOLE[version]), door.once)
            if found.name == name and 0 < found.length <= WHOLE[version]:
                yield found


def isOpenings(name: str) -> bool:
    """Return whether the elements of a set are openings of some door."""
    return _NAME.fullmatch(name) is not None
