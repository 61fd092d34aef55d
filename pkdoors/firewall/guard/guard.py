"""
The guard: what the kernel's nftables must have to keep the protected ports closed. Pure.

It is one table of our own (L{pkdoors.firewall.guard._rules}). Rules are replaced in place, in one
transaction, while sets stay (L{pkdoors.firewall.guard.sets}): openings and flows survive, and no
packet reaches a port that has no guard. A transaction that deletes a table or a base chain would
let packets through for some microseconds, although nft(8) calls it atomic.
"""

from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from pkdoors.firewall.guard._grouprules import GroupChain, directChain
from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.capture import JUNK, LAST_CHAINS, SETS, Capture
from pkdoors.firewall.guard.layout import Layout
from pkdoors.firewall.guard.limits import DROPPED, limitChains, limitsOf
from pkdoors.firewall.guard.openingsets import Scope, scopesOf
from pkdoors.firewall.guard.portgroups import PortGroup, Span, closedPorts, portGroups
from pkdoors.firewall.guard.sets import (
    ABOUT,
    DIRECT_MAPS,
    FORMAT,
    FORWARDED,
    INSIDE_SETS,
    MAPS,
    PORT_SETS,
    PROTOCOLS,
    RANGE_SETS,
    Set,
    originNote,
    portMap,
    setsFor,
    spell,
)
from pkdoors.firewall.guard.trusted import trustedSets
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, listKnockPorts
from pkdoors.model.ports import PortRange

TABLE = "pkdoors"
"""The guard's table, of the C{inet} family."""
HANDOVER = "pkdoors_handover"
"""The table that guards while a table of an older version is replaced."""

_NUMBERS = {"tcp": 6, "udp": 17}


@dataclass(frozen=True, slots=True)
class DirectWay:
    """
    A direct way to the service behind a protected port: the address and the port of a container to
    which the host forwards that port.

    @ivar wanted: the protected port.
    """

    address: Address
    protocol: str
    port: int
    wanted: int

    @property
    def key(self) -> bytes:
        """The key in a set or map: three fields, each padded to 4 bytes."""
        protocol = bytes([_NUMBERS[self.protocol], 0, 0, 0])
        return self.address.packed + protocol + self.port.to_bytes(2) + bytes(2)


@dataclass(frozen=True)
class Guard:
    """
    The guard of some doors.

    @ivar origin: the boot, and the very table, that openings belong to.
    @ivar grace: UDP ports that were never protected before, and the seconds that they stay open.
    @ivar graceVersions: the versions of IP over which they stay open: 4, 6 or both.
    @ivar direct: ways that lead past the protected ports.
    @ivar networks: what openings for networks need.
    @ivar capture: how knocks get into the kernel's packet log; L{None} if sockets hear them.
    """

    doors: tuple[Door, ...]
    origin: str = ""
    grace: Mapping[PortRange, float] = field(default_factory=dict)
    graceVersions: Collection[int] = ()
    direct: tuple[DirectWay, ...] = ()
    networks: frozenset[Scope] = frozenset()
    capture: Capture | None = None

    def withOrigin(self, origin: str) -> "Guard":
        """Return this guard for another origin, without working its layout out again."""
        guard = replace(self, origin=origin)
        known = {"layout": replace(self.layout, first=tuple(guard._first()))}
        guard.__dict__.update(known, _groups=self._groups)
        return guard

    def compares(self, scope: Scope) -> bool:
        """Return whether the rules compare so much of addresses."""
        return scope in scopesOf(self.doors, self.networks)

    @cached_property
    def _groups(self) -> dict[str, dict[PortGroup, list[Span]]]:
        """The protected ports of each protocol, by group."""
        return {protocol: portGroups(self.doors, protocol) for protocol in PROTOCOLS}

    @cached_property
    def layout(self) -> Layout:
        """What the kernel must have."""
        sets = setsFor(self.doors, self.networks)
        counters = {DROPPED} if limitsOf(self.doors) else set()
        base = BASE_CHAINS
        if self.capture is not None:
            base = BASE_CHAINS | LAST_CHAINS
            sets |= {name: Set(definition) for name, definition in SETS.items()}
            counters.add(JUNK)
        direct = {chain.name: chain for _, chain in self._directChains()}
        known = direct.values(), self._groups
        rules = tuple(rulesFor(self.doors, self.networks, self.capture, *known))
        names = dict.fromkeys((*base, *(rule.partition(" ")[0] for rule in rules)))
        return Layout(
            {name: base.get(name, "") for name in names},
            sets,
            MAPS,
            counters,
            rules,
            tuple(self._first()),
            {name: {each.key: each for each in found} for name, found in self._elements()},
        )

    def _first(self) -> Iterator[str]:
        """Yield the commands for elements that must come together with the rules."""
        notes = [FORMAT, originNote(self.origin)]
        about = ", ".join(f'{number} comment "{note}"' for number, note in enumerate(notes))
        yield f"flush set {{where}} {ABOUT}"
        yield f"add element {{where}} {ABOUT} {{{{ {about} }}}}"
        for version in self.graceVersions:
            ports = [f"{ports.span} timeout {spell(left)}" for ports, left in self.grace.items()]
            yield f"flush set {{where}} grace{version}"
            if ports:
                yield f"add element {{where}} grace{version} {{{{ {', '.join(ports)} }}}}"

    def _elements(self) -> Iterator[tuple[str, Iterable[Element]]]:
        """Yield the other elements that follow from the configuration alone."""
        for protocol in PROTOCOLS:
            singles, several = closedPorts(self.doors, protocol)
            yield PORT_SETS[protocol], (Element(_portKey(first)) for first, _ in singles)
            yield RANGE_SETS[protocol], (Element(_spanKey(span)) for span in several)
            yield from self._doorMaps(protocol)
        yield "knocks", map(Element, map(_portKey, listKnockPorts(self.doors)))
        for name, chains in limitChains(self.doors).items():
            yield name, (Element(_portKey(port), chain=chain) for port, chain in chains.items())
        for name, trusted in trustedSets(self.doors).items():
            yield name, map(Element, sorted(trusted.keys))
        if self.capture is not None:
            for name, keys in self.capture.elements(self.doors):
                yield name, map(Element, keys)

    def _doorMaps(self, protocol: str) -> Iterator[tuple[str, Iterable[Element]]]:
        groups = self._groups[protocol]
        for kind in ("", FORWARDED):
            for isRange in (False, True):
                yield (
                    portMap(protocol, kind, isRange),
                    [
                        Element(
                            _spanKey(span) if isRange else _portKey(span[0]),
                            chain=group.name + kind,
                        )
                        for group, spans in groups.items()
                        for span in spans
                        if isRange is (span[0] < span[1])
                    ],
                )

    def _directChains(self) -> Iterator[tuple[DirectWay, GroupChain]]:
        """Yield the ways that lead past a protected port, with the chain that judges each."""
        judges: dict[str, list[tuple[Span, PortGroup]]] = {
            protocol: sorted(
                (
                    (span, group)
                    for group, spans in self._groups[protocol].items()
                    for span in spans
                ),
                key=lambda judge: judge[0],
            )
            for protocol in (PROTOCOLS if self.direct else ())
        }
        for way in self.direct:
            judged = judges[way.protocol]
            at = bisect(judged, way.wanted, key=lambda judge: judge[0][0]) - 1
            if at >= 0 and way.wanted <= judged[at][0][1]:
                yield way, directChain(judged[at][1], way.wanted)

    def wayChains(self) -> set[str]:
        """Return the names of the chains for ways past the protected ports."""
        return {chain.name for _, chain in self._directChains()}

    def ways(self) -> dict[str, list[Element]]:
        """Return the elements of the maps and sets of ways past the protected ports, by name."""
        found: dict[str, list[Element]] = {name: [] for name in (*DIRECT_MAPS, *INSIDE_SETS)}
        for way, chain in self._directChains():
            version = way.address.version
            found[f"direct{version}"].append(Element(way.key, chain=chain.name))
            if way.protocol == "tcp":
                found[f"inside{version}"].append(Element(way.key))
        return found


def _portKey(port: int) -> bytes:
    return port.to_bytes(2)


def _spanKey(span: Span) -> bytes:
    first, last = span
    return first.to_bytes(2) + last.to_bytes(2)
