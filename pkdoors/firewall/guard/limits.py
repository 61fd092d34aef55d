"""
How the guard limits the knocks of one source. Pure.

A port leads to a chain with the limits of its doors, so a knock costs the same however many doors
there are. Doors with the same limit share the sets in which sources are counted: a source that
knocks at several of them may send them so many knocks together.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkdoors.firewall.guard.openingsets import ADDRESS
from pkdoors.model.doors import Door
from pkdoors.model.knockports import TcpPort

FORGET = 10
"""Seconds for which a source is counted after its last knock; then a full burst is allowed."""
MAX_LIMITED = 16_384
"""Sources that are counted at a time: about 4 MB of the kernel's memory."""
IPV6_PREFIX = "ffff:ffff:ffff:ffff::"
"""The part of an IPv6 address that counts as one source: whoever has one address has its /64."""
DROPPED = "KnocksDropped"
"""The counter of knocks of which one source sent too many; no door's name has a capital."""
LOCAL_CHAIN = "knock_local"
"""Where knocks pass that come from this host itself."""
LOCAL_MOST = 1000
"""Knocks that are heard from this host itself, in a second and at once."""
LIMIT_MAPS = {"udp": "KnockLimits", "tcp": "TcpKnockLimits"}
"""The maps from knock ports to chains, by protocol."""

_SOURCES = {4: "ip saddr", 6: f"ip6 saddr & {IPV6_PREFIX}"}
# If the set is full, sources outside it are not limited: counting cannot keep out somebody who has
# so many addresses.
_LIMIT = (
    "{chain} update @{set} {{ {source} limit rate over {rate}/second burst {burst} packets }} "
    f"counter name {DROPPED} {{verdict}}"
)


class KnockLimit(NamedTuple):
    """
    What one source may send.

    @ivar rate: knocks a second.
    @ivar burst: knocks at once.
    """

    rate: int
    burst: int

    def setName(self, version: int) -> str:
        """Return the name of the set that counts sources."""
        return f"KnockRate{version}_{self.rate}_{self.burst}"


Limits = tuple[KnockLimit, ...]


def limitsOf(doors: Iterable[Door]) -> Limits:
    """Return the limits of some doors, each of them once."""
    heard = [door for door in doors if door.knockRate and door.listens]
    return tuple(sorted({KnockLimit(door.knockRate, door.knockBurst) for door in heard}))


def limitSets(doors: Iterable[Door]) -> dict[str, str]:
    """Return the sets that count sources: their definitions, by name."""
    return {
        limit.setName(version): f"type {address}; flags dynamic,timeout; timeout {FORGET}s; "
        f"size {MAX_LIMITED};"
        for limit in limitsOf(doors)
        for version, address in ADDRESS.items()
    }


def limitRules(doors: Iterable[Door], chain: str, verdict: str) -> Iterator[str]:
    """
    Yield the rules.

    @param chain: where knocks pass.
    @param verdict: what happens to a knock that is one too many.
    """
    doors = list(doors)
    found: dict[str, Limits] = {}
    for protocol in LIMIT_MAPS:
        limits = _limitsByPort(doors, protocol)
        if limits:
            yield f"{chain} {protocol} dport vmap @{LIMIT_MAPS[protocol]}"
        found |= {_chainName(some): some for some in limits.values()}
    for name, some in sorted(found.items()):
        for limit in some:
            for version, source in _SOURCES.items():
                counted = limit.setName(version)
                yield _LIMIT.format(
                    chain=name, set=counted, source=source, verdict=verdict, **limit._asdict()
                )


def localRules(doors: Iterable[Door], verdict: str) -> Iterator[str]:
    """
    Yield the rules for knocks from this host itself: any user can send very many, from any address
    of C{127.0.0.0/8}, and over IPv6 with C{IPV6_FREEBIND} from other hosts' addresses, too.

    @param verdict: what happens to a knock that must not be heard.
    """
    yield f"{LOCAL_CHAIN} fib saddr type != local {verdict}"
    if limitsOf(doors):
        most = f"limit rate over {LOCAL_MOST}/second burst {LOCAL_MOST} packets"
        yield f"{LOCAL_CHAIN} {most} counter name {DROPPED} {verdict}"


def limitChains(doors: Iterable[Door]) -> dict[str, dict[int, str]]:
    """Return, for each map of L{LIMIT_MAPS}, the chains of knock ports."""
    doors = list(doors)
    return {
        name: {port: _chainName(some) for port, some in _limitsByPort(doors, protocol).items()}
        for protocol, name in LIMIT_MAPS.items()
    }


def _limitsByPort(doors: Iterable[Door], protocol: str) -> dict[int, Limits]:
    byPort: dict[int, set[KnockLimit]] = {}
    isTcp = protocol == "tcp"
    for door in doors:
        if door.knockRate:
            limit = KnockLimit(door.knockRate, door.knockBurst)
            for port in door.knockPorts:
                if isinstance(port, TcpPort) is isTcp:
                    number = port.number if isinstance(port, TcpPort) else port
                    byPort.setdefault(number, set()).add(limit)
    return {port: tuple(sorted(limits)) for port, limits in sorted(byPort.items())}


def _chainName(limits: Limits) -> str:
    """Return the name of the chain that applies some limits."""
    return "_".join(["knock_limit", *(f"{limit.rate}_{limit.burst}" for limit in limits)])
