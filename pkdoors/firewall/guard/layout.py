"""
What the kernel must have in the guard's table, and how to get there from what it has. Pure.

The rules come in one transaction, which is small however many doors there are. The elements follow
in portions, and only those that differ. Ports are closed first; a port that stays protected never
loses its element, and only the last transaction takes away what nothing refers to any more.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from pkdoors.firewall.guard.capture import CLOSED_CHAIN
from pkdoors.firewall.guard.sets import DOOR_MAPS, INTERVALS, PORT_SETS, RANGE_SETS, Set
from pkdoors.firewall.netlink.messages import Element

Elements = Mapping[bytes, Element]
"""Elements by their keys. The key of a range of ports is its first and its last one."""
CLOSING = (*PORT_SETS.values(), *RANGE_SETS.values())
"""The sets of protected ports."""


@dataclass(frozen=True, slots=True)
class Present:
    """
    What the kernel has of our table.

    @ivar stale: sets whose elements are not valid.
    @ivar elements: the elements that follow from the configuration alone, by the names of their
        sets and maps.
    """

    chains: Collection[str] = ()
    sets: Collection[str] = ()
    counters: Collection[str] = ()
    stale: Collection[str] = ()
    elements: Mapping[str, Elements] = field(default_factory=dict)


ABSENT = Present()


@dataclass(frozen=True, slots=True)
class Change:
    """
    A change of the elements of one set or map, in one transaction.

    @ivar gone: the elements that go.
    @ivar new: those that come.
    """

    name: str
    gone: tuple[Element, ...] = ()
    new: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """
    @ivar chains: the definitions of base chains, which are empty for other chains, by name.
    @ivar sets: the definitions of sets.
    @ivar maps: likewise.
    @ivar rules: the rules, each with its chain in front.
    @ivar first: commands for elements that come together with the rules.
    @ivar elements: the other elements that follow from the configuration alone.
    """

    chains: Mapping[str, str]
    sets: Mapping[str, Set]
    maps: Mapping[str, str]
    counters: Collection[str]
    rules: tuple[str, ...]
    first: tuple[str, ...]
    elements: Mapping[str, Elements]

    def present(self) -> Present:
        """Return what the kernel has once all of this is there."""
        sets = {*self.sets, *self.maps}
        return Present({*self.chains}, sets, self.counters, (), self.elements)

    def hasRulesOf(self, other: "Layout") -> bool:
        """Return whether the rules of another layout, and what they use, need no change."""
        return (
            self.rules == other.rules
            and self.chains == other.chains
            and {*self.sets.items()} <= {*other.sets.items()}
            and {*self.counters} <= {*other.counters}
        )

    def commands(self, table: str, present: Present = ABSENT) -> str:
        """
        Return the nft commands that put the rules into a table that exists. Chains that are not
        needed any more keep their rules until no port leads to them.
        """
        return "".join(f"{line}\n" for line in self._commands(f"inet {table}", present))

    def _commands(self, where: str, present: Present) -> Iterator[str]:
        for name, definition in self.chains.items():
            yield f"add chain {where} {name} {_braced(definition)}".rstrip()
        for name, definition in self.maps.items():
            yield f"add map {where} {name} {_braced(definition)}"
        for name, guardSet in self.sets.items():
            yield f"add set {where} {name} {_braced(guardSet.definition)}"
        yield from (f"add counter {where} {name}" for name in sorted(self.counters))
        yield from (f"flush set {where} {name}" for name in sorted(present.stale))
        # An empty base chain does no harm, and deleting one would let packets through for a moment.
        flushed = {*self.chains} | ({CLOSED_CHAIN} & {*present.chains})
        yield from (f"flush chain {where} {name}" for name in sorted(flushed))
        yield from (f"add rule {where} {rule}" for rule in self.rules)
        yield from (command.format(where=where) for command in self.first)

    def additions(self, table: str, present: Present) -> str:
        """Return the nft commands that add the sets that are missing; empty if none is."""
        return "".join(
            f"add set inet {table} {name} {_braced(each.definition)}\n"
            for name, each in self.sets.items()
            if name not in present.sets
        )

    def removal(self, table: str, present: Present) -> str:
        """Return the nft commands that remove what is not needed any more; empty if all is."""
        where = f"inet {table}"
        chains = sorted({*present.chains} - {*self.chains, CLOSED_CHAIN})
        lines = [f"flush chain {where} {name}" for name in chains]
        lines += [f"delete chain {where} {name}" for name in chains]
        sets = {*present.sets} - {*self.sets, *self.maps}
        lines += [f"delete set {where} {name}" for name in sorted(sets)]
        counters = {*present.counters} - {*self.counters}
        lines += [f"delete counter {where} {name}" for name in sorted(counters)]
        return "".join(f"{line}\n" for line in lines)

    def changes(self, present: Present) -> Iterator[Change]:
        """Yield the changes of elements, in this order: one transaction for a portion of each."""
        for name in CLOSING:
            new = self._new(name, present)
            # The kernel does not take ranges that overlap, see L{reshapes}.
            yield Change(name, self._inTheWay(name, present), new)
        rest = (name for name in self.elements if name not in CLOSING and name not in DOOR_MAPS)
        for name in chain(DOOR_MAPS, rest):
            yield Change(name, self._gone(name, present), self._new(name, present))
        for name in CLOSING:
            gone = {*self._gone(name, present)} - {*self._inTheWay(name, present)}
            yield Change(name, tuple(sorted(gone)))

    def reshapes(self, present: Present) -> bool:
        """
        Return whether a range of protected ports goes although another one protects some of them:
        the kernel cannot have both. Then another guard must be in place meanwhile.
        """
        return any(self._inTheWay(name, present) for name in RANGE_SETS.values())

    def _inTheWay(self, name: str, present: Present) -> tuple[Element, ...]:
        """Return the ranges that go, and overlap one that comes."""
        if name not in INTERVALS:
            return ()
        new = self._new(name, present)
        return tuple(
            gone
            for gone in self._gone(name, present)
            if any(each.key[:2] <= gone.key[2:] and gone.key[:2] <= each.key[2:] for each in new)
        )

    def _gone(self, name: str, present: Present) -> tuple[Element, ...]:
        wanted, there = self.elements[name], present.elements.get(name, {})
        return tuple(each for key, each in there.items() if _differs(each, wanted.get(key)))

    def _new(self, name: str, present: Present) -> tuple[Element, ...]:
        wanted, there = self.elements[name], present.elements.get(name, {})
        return tuple(each for key, each in wanted.items() if _differs(each, there.get(key)))


def _differs(element: Element, other: Element | None) -> bool:
    return other is None or element.chain != other.chain


def isInterval(name: str) -> bool:
    """Return whether the elements of a set or map are ranges of ports."""
    return name in INTERVALS


def _braced(definition: str) -> str:
    return f"{{ {definition} }}" if definition else ""
