"""
The guard: what the kernel's nftables must have to keep the protected ports closed. Pure.

It is one table of our own (L{pkdoors.firewall.guard._rules}). Rules are replaced in place, in one
transaction, while sets stay (L{pkdoors.firewall.guard.sets}): openings and flows survive, and no
packet reaches a port that has no guard. A transaction that deletes a table or a base chain would
let packets through for some microseconds, although nft(8) calls it atomic.
"""

from bisect import bisect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from pkdoors.firewall.guard._lettingin import chainName, rulesForSet
from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.capture import CLOSED_CHAIN, JUNK, LAST_CHAINS, SETS, Capture
from pkdoors.firewall.guard.limits import DROPPED, LIMIT_MAPS, limitChains, limitsOf
from pkdoors.firewall.guard.openingsets import OpeningSet, openingSets
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import (
    ABOUT,
    DIRECT_MAPS,
    FORMAT,
    INSIDE_SETS,
    MAPS,
    PORT_SETS,
    PROTOCOLS,
    Set,
    aboutDoor,
    originNote,
    setsFor,
    spell,
)
from pkdoors.firewall.guard.trusted import changeTrusted
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, listKnockPorts, listProtectedPorts
from pkdoors.model.ports import PortRange

TABLE = "pkdoors"
"""The guard's table, of the C{inet} family."""
HANDOVER = "pkdoors_handover"
"""The table that guards while a table of an older version is replaced."""
FIRST_WAYS = 500
"""Ways past the protected ports that are put in place together with the guard, which must always
fit into a small buffer of the kernel's; further ways come after it."""

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


Span = tuple[int, int]
"""The first and the last port of a range."""


@dataclass(frozen=True, slots=True)
class Present:
    """
    What the kernel has of our table.

    @ivar stale: sets that must be made again, empty.
    @ivar ports: for C{tcp} and C{udp}, the protected ports.
    @ivar verdicts: likewise, the chain for ports; empty for any other verdict.
    @ivar trusted: the keys of trusted networks and interfaces, by the names of their sets.
    """

    chains: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    ports: Mapping[str, Collection[Span]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[Span, str]] = field(default_factory=dict)
    trusted: Mapping[str, frozenset[bytes]] = field(default_factory=dict)


ABSENT = Present()


@dataclass(frozen=True, slots=True)
class Guard:
    """
    The guard of some doors.

    @ivar origin: the boot, and the very table, that openings belong to.
    @ivar grace: UDP ports that were never protected before, and the seconds that they stay open.
    @ivar graceVersions: the versions of IP over which they stay open: 4, 6 or both.
    @ivar direct: ways that lead past the protected ports.
    @ivar networks: the sets that openings for networks need.
    @ivar capture: how knocks get into the kernel's packet log; L{None} if sockets hear them.
    """

    doors: tuple[Door, ...]
    origin: str = ""
    grace: Mapping[PortRange, float] = field(default_factory=dict)
    graceVersions: Collection[int] = ()
    direct: tuple[DirectWay, ...] = ()
    networks: frozenset[OpeningSet] = frozenset()
    capture: Capture | None = None

    def commands(self, present: Present = ABSENT, table: str = TABLE) -> str:
        """
        Return the nft commands that put the guard into a table that exists already, in one
        transaction.
        """
        return "".join(f"{line}\n" for line in self._lines(f"inet {table}", present))

    def hasSet(self, openings: OpeningSet) -> bool:
        """Return whether this guard has a set of openings."""
        return any(
            openings in openingSets(door, self.networks)
            for door in self.doors
            if door.name == openings.door
        )

    def commandsForSet(self, openings: OpeningSet) -> str:
        """
        Return the nft commands that add one more set of openings to this guard. Nothing else in the
        table changes, so there is no moment in which a packet finds less than before.
        """
        where, sets = f"inet {TABLE}", setsFor(self.doors, [openings])
        lines = [f"add set {where} {openings.name} {_braced(sets[openings.name].definition)}"]
        lines += [f"insert rule {where} {rule}" for rule in rulesForSet(self.doors, openings)]
        return "".join(f"{line}\n" for line in lines)

    def _lines(self, where: str, present: Present) -> Iterator[str]:
        rules = list(rulesFor(self.doors, self.networks, self.capture))
        sets = setsFor(self.doors, self.networks)
        counters = {DROPPED} if limitsOf(self.doors) else set()
        base = BASE_CHAINS
        if self.capture is not None:
            base = BASE_CHAINS | LAST_CHAINS
            sets |= {name: Set(definition) for name, definition in SETS.items()}
            counters.add(JUNK)
        chains = dict.fromkeys((*base, *(rule.partition(" ")[0] for rule in rules)))
        # Chains come first: nft 1.0 sends the elements of an interval map with the map. Whatever is
        # deleted must not be in use any more.
        for chain in chains:
            yield f"add chain {where} {chain} {_braced(base.get(chain, ''))}".rstrip()
        for name, definition in MAPS.items():
            yield f"add map {where} {name} {_braced(definition)}"
        for name in PORT_SETS.values():
            yield f"add set {where} {name} {_braced(sets.pop(name).definition)}"
        yield f"flush table {where}"
        yield from (f"flush map {where} {name}" for name in (*DIRECT_MAPS, *LIMIT_MAPS.values()))
        yield from self._ports(where, present)
        gone = present.sets - sets.keys() - MAPS.keys() - {*PORT_SETS.values()}
        # An empty base chain does no harm, and deleting one would let packets through for a moment.
        for name in sorted(present.chains - chains.keys() - {CLOSED_CHAIN}):
            yield f"delete chain {where} {name}"
        for name in sorted(gone | present.stale):
            yield f"delete set {where} {name}"
        for name in sorted(present.counters - counters):
            yield f"delete counter {where} {name}"
        for name, guardSet in sets.items():
            yield f"add set {where} {name} {_braced(guardSet.definition)}"
        yield from (f"add counter {where} {name}" for name in sorted(counters))
        yield from (f"add rule {where} {rule}" for rule in rules)
        for name, elements in self._elements():
            if name not in MAPS:
                yield f"flush set {where} {name}"
            if elements:
                yield f"add element {where} {name} {_braced(', '.join(elements))}"
        for door in self.doors:
            yield from changeTrusted(where, door, present.trusted)

    def _ports(self, where: str, present: Present) -> Iterator[str]:
        """
        Yield the commands that change the guarded ports. A port that stays keeps its element: while
        an element of an interval set is deleted and added again, a packet may find neither. Either
        the map or the set always has the port; see L{reshapes}.
        """
        for protocol in PROTOCOLS:
            ports, verdicts = self._spans(protocol), self._verdicts(protocol)
            ported = present.ports.get(protocol, ())
            judged = present.verdicts.get(protocol, {})
            yield from _changed(
                f"element {where} {protocol}_ports",
                [_spellSpan(span) for span in ported if span not in ports],
                [_spellSpan(span) for span in ports if span not in ported],
            )
            yield from _changed(
                f"element {where} {protocol}_doors",
                [_spellSpan(span) for span in judged if judged[span] != verdicts.get(span)],
                [
                    f"{_spellSpan(span)} : jump {chain}"
                    for span, chain in verdicts.items()
                    if judged.get(span) != chain
                ],
            )

    def reshapes(self, present: Present) -> bool:
        """
        Return whether an element of the set of protected ports goes although one of its ports stays
        protected: then another guard must be in place meanwhile.
        """
        return any(
            first <= last_ and first_ <= last
            for protocol in PROTOCOLS
            for first, last in self._spans(protocol)
            for first_, last_ in set(present.ports.get(protocol, ())) - {*self._spans(protocol)}
        )

    def _elements(self) -> Iterator[tuple[str, list[str]]]:
        """
        Yield the elements of the other sets and maps that follow from the configuration alone.
        """
        notes = [FORMAT, originNote(self.origin), *map(aboutDoor, self.doors)]
        yield ABOUT, [f'{number} comment "{note}"' for number, note in enumerate(notes)]
        for name, elements in self.ways(FIRST_WAYS).items():
            ways = {element.key: element.chain for element in elements}
            yield name, [_spellWay(key, chain) for key, chain in ways.items()]
        for version in self.graceVersions:
            yield (
                f"grace{version}",
                [f"{ports.span} timeout {spell(left)}" for ports, left in self.grace.items()],
            )
        yield "knocks", list(map(str, listKnockPorts(self.doors)))
        for name, chains in limitChains(self.doors).items():
            yield name, [f"{port} : jump {chain}" for port, chain in chains.items()]
        if self.capture is not None:
            yield from self.capture.elements(self.doors)

    def _spans(self, protocol: str) -> list[Span]:
        """Return the protected ports."""
        protected = listProtectedPorts(self.doors)
        return [(ports.first, ports.last) for ports in protected if ports.protocol == protocol]

    def _verdicts(self, protocol: str) -> dict[Span, str]:
        """Return the chain for each range of protected ports."""
        return {
            (ports.first, ports.last): chainName(group, protocol)
            for group in portGroups(self.doors, protocol)
            for ports in group.ports
        }

    def ways(self, most: int | None = None) -> dict[str, list[Element]]:
        """
        Return the elements of the maps and sets of ways past the protected ports, by their names.

        @param most: the highest number of ways; L{None} for all.
        """
        found: dict[str, list[Element]] = {name: [] for name in (*DIRECT_MAPS, *INSIDE_SETS)}
        verdicts = {protocol: sorted(self._verdicts(protocol).items()) for protocol in PROTOCOLS}
        for direct in self.direct[:most]:
            judged = verdicts[direct.protocol]
            at = bisect(judged, direct.wanted, key=lambda verdict: verdict[0][0]) - 1
            (_, last), chain = judged[at] if at >= 0 else ((0, 0), "")
            if direct.wanted <= last:
                version = direct.address.version
                found[f"direct{version}"].append(Element(direct.key, chain=chain))
                if direct.protocol == "tcp":
                    found[f"inside{version}"].append(Element(direct.key))
        return found


def _spellWay(key: bytes, chain: str) -> str:
    """Return an element in a map or set of ways as nft reads it."""
    address, protocol, port = ip_address(key[:-8]), key[-8], int.from_bytes(key[-4:-2])
    return f"{address} . {protocol} . {port}" + (f" : jump {chain}" if chain else "")


def _changed(what: str, gone: list[str], new: list[str]) -> Iterator[str]:
    if gone:
        yield f"delete {what} {_braced(', '.join(gone))}"
    if new:
        yield f"add {what} {_braced(', '.join(new))}"


def _spellSpan(span: Span) -> str:
    first, last = span
    return str(first) if first == last else f"{first}-{last}"


def _braced(definition: str) -> str:
    return f"{{ {definition} }}" if definition else ""
