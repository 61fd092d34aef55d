"""
The keys of openings in the sets that say whom the doors are open for. Pure.

The elements of a door's openings for sources of one kind have much in common, so that is computed
once: a client waits while its opening is put into the kernel.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from pkdoors.firewall.guard.openingsets import (
    GATE,
    OPEN,
    Access,
    OnceSet,
    Scope,
    UdpTimes,
    onceClients,
    onceSetOf,
    openingsName,
    scopeOf,
    udpTimesOf,
)
from pkdoors.firewall.netlink.messages import TOGETHER
from pkdoors.model.doors import Door, Opening
from pkdoors.model.portblocks import splitBlocks
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import Source, firstAddress, isNetwork, lengthOf

_REMEMBERED = 16_384
_IDENTITY = 7  # bytes


def sourceKey(source: Source) -> bytes:
    """Return the key of a source, and the beginning of keys that begin with one."""
    return firstAddress(source).packed


def lookupKeys(opening: Opening) -> list[tuple[str, bytes]]:
    """Return the sets in which packets of an opening's clients are looked up, and its keys."""
    return _planFor(opening.door, opening.source).lookupKeys(sourceKey(opening.source))


def listKeys(opening: Opening) -> tuple[tuple[str, bytes], list[tuple[str, bytes]]]:
    """Return what L{openingKey} and L{lookupKeys} do, at once: a client waits for it."""
    plan, key = _planFor(opening.door, opening.source), sourceKey(opening.source)
    return plan.openingKey(key), plan.lookupKeys(key)


def countElements(opening: Opening) -> int:
    """Return how many elements an opening has, those in which packets are looked up included."""
    return 1 + len(_planFor(opening.door, opening.source).lookups)


def splitOpenings(openings: Iterable[Opening]) -> Iterator[list[Opening]]:
    """
    Split openings into lists, each for one transaction: L{TOGETHER} elements, if openings do not
    have very many each. None is looked at before the list that it belongs to.
    """
    some: list[Opening] = []
    count = 0
    for opening in openings:
        some.append(opening)
        size = countElements(opening)
        count += size
        if count + size > TOGETHER:
            yield some
            some, count = [], 0
    if some:
        yield some


def listAllKeys(opening: Opening) -> set[tuple[str, bytes]]:
    """Return the sets that an opening can be in, that of used ones included, and its keys."""
    key, lookups = listKeys(opening)
    marks = {(onceSetOf(opening).used, sourceKey(opening.source))} if opening.door.once else set()
    return {key, *lookups} | marks


class _Plan(NamedTuple):
    """
    What the elements of a door's openings for sources of one kind have in common.

    @ivar name: the set of all openings.
    @ivar ending: what follows the source in its keys.
    @ivar lookups: likewise, for each set in which packets are looked up.
    """

    name: str
    ending: bytes
    lookups: tuple[tuple[str, bytes], ...]

    def openingKey(self, source: bytes) -> tuple[str, bytes]:
        """See L{openingKey}."""
        return self.name, source + self.ending

    def lookupKeys(self, source: bytes) -> list[tuple[str, bytes]]:
        """See L{lookupKeys}."""
        return [(name, source + ending) for name, ending in self.lookups]


_plans: dict[tuple[int, type[Source], int], tuple[Door, _Plan]] = {}
"""By the identity of a door: to compute the hash of one takes longer than to make a plan."""


def _planFor(door: Door, source: Source) -> _Plan:
    key = (id(door), type(source), lengthOf(source) if isNetwork(source) else 0)
    found = _plans.get(key)
    if found is None or found[0] is not door:
        if len(_plans) >= _REMEMBERED:
            _plans.clear()
        found = _plans[key] = (door, _makePlan(door, scopeOf(source)))
    return found[1]


def _makePlan(door: Door, scope: Scope) -> _Plan:
    kind = GATE if door.once else OPEN
    ways = _ways(door.ports, udpTimesOf(door))
    lookups = [(access.setName(scope.suffix, kind), ports) for access, ports in ways]
    if door.once and door.ports:
        once = OnceSet(door.name, scope)
        lookups += [(name, b"") for name in (onceClients(scope), *once.blocks, once.name)]
    ending = identify(door) + bytes([scope.length])
    return _Plan(openingsName(scope.version), ending, tuple(lookups))


@lru_cache(maxsize=_REMEMBERED)
def _ways(ports: tuple[PortRange, ...], times: UdpTimes | None) -> list[tuple[Access, bytes]]:
    ways = []
    for some in ports:
        for block in splitBlocks(some.first, some.last):
            access = Access(
                some.protocol, block.exponent, times if some.protocol == "udp" else None
            )
            ways.append((access, access.key(block)))
    return ways


def openingKey(opening: Opening) -> tuple[str, bytes]:
    """Return the set of all openings, and the key of one of them."""
    return _planFor(opening.door, opening.source).openingKey(sourceKey(opening.source))


def splitOpeningKey(key: bytes) -> tuple[bytes, bytes, int]:
    """Return the first address, the door's L{identify}, and the length of an opening's source."""
    return key[: -_IDENTITY - 1], key[-_IDENTITY - 1 : -1], key[-1]


def identify(door: Door) -> bytes:
    """
    Return what identifies a door in the kernel. A door with other ports is another one, because its
    openings were granted for those; so is one that opens for one connection.
    """
    return _identify(door.name, door.ports, door.once)


@lru_cache(maxsize=_REMEMBERED)
def _identify(name: str, ports: tuple[PortRange, ...], isOnce: bool) -> bytes:
    text = f"{name} {','.join(map(str, sorted(ports)))}{' once' * isOnce}"
    return sha256(text.encode()).digest()[:_IDENTITY]
