"""The table of the guard in the kernel: how it is read, and replaced without a gap."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex

from twisted.logger import Logger

from pkdoors.bootid import UNKNOWN, readBoot
from pkdoors.doors import Door, Opening, protectedPorts
from pkdoors.errors import FirewallError
from pkdoors.firewall.kernel import GuardGone, NotPermitted, SetFull
from pkdoors.firewall.library import Library, owned
from pkdoors.firewall.takeover import Left, leftByOld
from pkdoors.flowbooks import Books
from pkdoors.flows import flowOf, isOn
from pkdoors.guard import HANDOVER, TABLE, Guard
from pkdoors.nfdump import (
    askChains,
    askCounters,
    askElements,
    askRules,
    askSets,
    askTable,
    chainsIn,
    countersIn,
    elementsIn,
    intervalsIn,
    rulesIn,
    setsIn,
    tableIn,
    verdictsIn,
)
from pkdoors.nfnetlink import OWNED, Element, adding, portions, removing
from pkdoors.nftsets import (
    ABOUT,
    MAPS,
    PORT_MAPS,
    PORT_SETS,
    PROTOCOLS,
    isOpenings,
    openingElement,
    openingIn,
    secondsLeft,
    setOf,
    setsFor,
)
from pkdoors.survey import Survey

NEGLIGIBLE = 1000
"""Milliseconds by which an opening in the kernel may end earlier or later than it should, before it
is written again."""


def bootClock() -> float:
    """Return the seconds since the boot, those included in which the host slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def openTable(seconds: Callable[[], float]) -> "GuardTable":
    """
    Return the table of this host's guard.

    @raise FirewallError: this host, or this process, cannot have one.
    """
    library = Library()
    return GuardTable(library, library.canOwn(), seconds)


class GuardTable:
    """
    @param isOwned: whether nobody but us may change the table.
    @param seconds: the clock of deadlines.
    @ivar boot: the boot that openings belong to.
    @ivar port: our netlink port, by which our own changes are known.
    """

    _log = Logger()

    def __init__(
        self,
        library: Library,
        isOwned: bool,
        seconds: Callable[[], float],
        bootClock: Callable[[], float] = bootClock,
    ) -> None:
        self._library = library
        self._kernel = library.kernel
        self.isOwned = isOwned
        self._seconds = seconds
        self._bootClock = bootClock
        # Where nobody tells it, no table is of this boot: that costs openings, and lets in nobody.
        boot = readBoot()
        self.boot = boot if boot != UNKNOWN else f"unknown-{token_hex(8)}"
        self.port = library.kernel.port

    def judge(self, guard: Guard) -> None:
        """
        Have the kernel judge a guard, without putting it in place.

        @raise FirewallError: it would refuse.
        """
        # Under another name: what there is may be of another version.
        self._library.judge(f"add table inet {HANDOVER}\n{guard.commands(table=HANDOVER)}")

    def close(self) -> None:
        """Let go of the table, which stays."""
        self._library.close()

    def isThere(self) -> bool:
        """Return whether there is a table of our name."""
        return tableIn(self._kernel.dump(askTable(TABLE))) is not None

    def guards(self, doors: Collection[Door]) -> bool:
        """
        Return whether this is a guard of this version, made in this boot and with its rules, that
        keeps all ports of some doors closed.

        @raise FirewallError: the kernel does not tell.
        """
        survey = self.survey()
        if not (survey.isOurs and survey.isOf(self.boot)):
            return False
        hasRules = bool(rulesIn(self._kernel.dump(askRules(TABLE)), TABLE))
        kept = survey.protected()
        return hasRules and all(any(map(each.isWithin, kept)) for each in protectedPorts(doors))

    def survey(self, name: str = TABLE) -> Survey:
        """
        Look what there is.

        @raise FirewallError: the kernel does not tell.
        """
        dump = self._kernel.dump
        table = tableIn(dump(askTable(name)))
        if table is None:
            return Survey()
        ports, verdicts = (
            {each: intervalsIn(dump(askElements(name, of[each]))) for each in PROTOCOLS}
            for of in (PORT_SETS, PORT_MAPS)
        )
        return Survey(
            table,
            chains=frozenset(chainsIn(dump(askChains(name)), name)),
            sets=setsIn(dump(askSets(name))),
            counters=countersIn(dump(askCounters(name))),
            ports=ports,
            verdicts=verdicts,
            notes=frozenset(each.comment for each in self._elements(ABOUT, name)),
        )

    def before(self, doors: Collection[Door], isSettled: bool) -> Left:
        """
        Return what a daemon before this one left.

        @param isSettled: whether the boot is some while ago. A guard of the version before does not
            say of which boot it is: soon after one it may come from a saved ruleset.
        @raise FirewallError: the kernel does not tell.
        """
        survey = self.survey()
        if survey.table is None:
            return Left()
        if survey.isOurs:
            openings = self._openings(survey, doors)
            return Left(isThere=True, protected=survey.protected(), openings=openings)
        return leftByOld(
            self._library.listed(f"table inet {TABLE}"), doors, self._seconds(), isSettled
        )

    def _openings(self, survey: Survey, doors: Iterable[Door]) -> list[Opening]:
        """Return the openings that still count, for these doors."""
        now, today = self._seconds(), self._bootClock()
        known = [door for door in doors if survey.isOf(self.boot) and survey.knows(door)]
        return [
            openingIn(element, door, now + min(left, door.maxOpenFor))
            for door in known
            for version in (4, 6)
            for element in self._elements(f"{door.name}_open{version}")
            if (left := secondsLeft(element, today)) > 0
        ]

    def openKeys(self, doors: Iterable[Door]) -> set[tuple[str, bytes]]:
        """Return set and key of each opening in the kernel."""
        names = [f"{door.name}_open{version}" for door in doors for version in (4, 6)]
        return {(name, each.key) for name in names for each in self._elements(name)}

    def replace(self, guard: Guard, openings: Collection[Opening], flows: Books) -> None:
        """
        Put a guard in place, with these openings and no others. No packet meets a protected port
        without a guard meanwhile, whatever there is now.

        @param flows: what is to go on, beside what the kernel remembers already.
        @raise FirewallError: the kernel refused. What there was before still guards.
        """
        survey = self.survey()
        if survey.table is None:
            self._place(TABLE, guard, survey, openings, flows)
        elif not (self._fits(survey) and self._mend(guard, survey, openings, flows)):
            if survey.isOurs and survey.isOf(self.boot):
                flows = {**flows, **self.flows(guard.doors)}
            self._handOver(guard, openings, flows)
        self.delete(HANDOVER)  # if a daemon was killed in the midst of it

    def _fits(self, survey: Survey) -> bool:
        """Whether it can be replaced in place: same version, and the same kind of owner."""
        flags = survey.table.flags if survey.table is not None else 0
        return survey.isOurs and flags & OWNED == (OWNED if self.isOwned else 0)

    def _mend(
        self, guard: Guard, survey: Survey, openings: Collection[Opening], flows: Books
    ) -> bool:
        """
        Replace what there is in place.

        @return: whether that was possible: somebody may have made a set of another kind there.
        """
        if guard.reshapes(survey.present(guard.doors, self.boot)):
            known = {**self.flows(guard.doors), **flows}
            self._place(HANDOVER, guard, self.survey(HANDOVER), openings, known, isOwned=False)
        try:
            self._place(TABLE, guard, survey, openings, flows)
        except (NotPermitted, GuardGone):
            raise
        except FirewallError as error:
            self._log.warn(
                "the guard that is there cannot be changed in place ({reason}): it is made anew",
                reason=error,
            )
            return False
        return True

    def _handOver(self, guard: Guard, openings: Collection[Opening], flows: Books) -> None:
        """Make before break: a drop in either table counts, so that one of them always guards."""
        self._place(HANDOVER, guard, self.survey(HANDOVER), openings, flows, isOwned=False)
        try:
            self.delete(TABLE)
        except FirewallError:
            self.delete(HANDOVER)
            raise
        self._place(TABLE, guard, Survey(), openings, flows)
        self._remember(guard.doors, self.flows(guard.doors, HANDOVER), TABLE)

    def _place(
        self,
        name: str,
        guard: Guard,
        survey: Survey,
        openings: Collection[Opening],
        flows: Books,
        isOwned: bool | None = None,
    ) -> None:
        isOwned = self.isOwned if isOwned is None else isOwned
        self._library.take(name, OWNED if isOwned else 0)
        made = Survey(tableIn(self._kernel.dump(askTable(name))))
        guard = replace(guard, origin=made.origin(self.boot))
        retimed = {each: self._flowsOf(each, name) for each in survey.retimed(guard.doors)}
        present = survey.present(guard.doors, self.boot)
        # The guard alone is first, and small, so that it always fits. What grows comes after it.
        self._library.run(guard.commands(present, name))
        self._sync(guard.doors, openings, name)
        for books in (retimed if survey.isOf(self.boot) else {}, flows):
            self._remember(guard.doors, books, name)
        self._forgetCut(guard.doors, name)

    def _sync(self, doors: Iterable[Door], openings: Iterable[Opening], table: str) -> None:
        """Have these openings in the kernel, and no others: only what differs is written."""
        wanted: dict[str, dict[bytes, Element]] = {
            f"{door.name}_open{version}": {} for door in doors for version in (4, 6)
        }
        for opening in openings:
            element = self.elementOf(opening)
            wanted[setOf(opening)][element.key] = element
        for name, elements in wanted.items():
            present = {each.key: each for each in self._elements(name, table)}
            self._remove(table, name, present.keys() - elements.keys())
            changed = [each for key, each in elements.items() if _differs(each, present.get(key))]
            for portion in portions(changed):
                self._kernel.transact(adding(table, name, portion))

    def elementOf(self, opening: Opening) -> Element:
        """Return the element that an opening is now."""
        return openingElement(opening, opening.deadline - self._seconds(), self._bootClock())

    def flows(self, doors: Iterable[Door], table: str = TABLE) -> Books:
        """Return all flows that the kernel remembers."""
        names = [name for name, each in setsFor(doors).items() if each.isFlows]
        return {name: self._flowsOf(name, table) for name in names}

    def _flowsOf(self, name: str, table: str = TABLE) -> dict[bytes, float]:
        now = self._seconds()
        return {each.key: now + each.expires / 1000 for each in self._elements(name, table)}

    def _remember(self, doors: Iterable[Door], books: Books, table: str) -> None:
        """Add flows, as long as they have time left; those that are there keep their time."""
        now, sets = self._seconds(), setsFor(doors)
        for name, flows in books.items():
            there = {each.key for each in self._elements(name, table)} if name in sets else set()
            elements = [
                Element(key, expires=round(1000 * min(deadline - now, sets[name].timeout)))
                for key, deadline in flows.items()
                if name in sets and deadline - now > 0.001 and key not in there
            ]
            for portion in portions(elements):
                with suppress(SetFull):
                    self._kernel.transact(adding(table, name, portion))

    def _forgetCut(self, doors: Iterable[Door], table: str) -> None:
        """Doors that cut sessions may have kept them before: those end with their openings."""
        cut = [ports for door in doors if door.cutSessions for ports in door.ports]
        for version in (4, 6) if cut else ():
            name = f"sessions{version}"
            flows = map(lambda each: flowOf("tcp", each.key), self._elements(name, table))
            self._remove(table, name, [each.key for each in flows if isOn(cut, "tcp", each.port)])

    def _remove(self, table: str, name: str, keys: Iterable[bytes]) -> None:
        for portion in portions(keys):
            self._kernel.transact(removing(table, name, portion))

    def _elements(self, name: str, table: str = TABLE) -> list[Element]:
        return elementsIn(self._kernel.dump(askElements(table, name)))

    def add(self, opening: Opening) -> None:
        """
        Put an opening there, or give it another deadline.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        self._kernel.transact(adding(TABLE, setOf(opening), [self.elementOf(opening)]))

    def remove(self, opening: Opening) -> None:
        """
        Take an opening away; if the guard is gone, so is the opening.

        @raise FirewallError: the kernel refused.
        """
        with suppress(GuardGone):
            self._kernel.transact(removing(TABLE, setOf(opening), [opening.source.packed]))

    def countOpenings(self) -> int:
        """Return how many openings there are, of whatever doors."""
        names = [name for name in self.survey().sets if isOpenings(name)]
        return sum(len(self._elements(name)) for name in names)

    def counted(self) -> Mapping[str, int]:
        """Return what the counters of dropped knocks say; nothing if the kernel does not tell."""
        try:
            return countersIn(self._kernel.dump(askCounters(TABLE)))
        except FirewallError:
            return {}

    def fingerprint(self) -> object:
        """
        Return what is the same as long as nobody changes the rules, or what leads to them.

        @raise FirewallError: the kernel does not tell.
        """
        dump = self._kernel.dump
        names = (*MAPS, *PORT_SETS.values())
        maps = [verdictsIn(dump(askElements(TABLE, name))) for name in names]
        return tableIn(dump(askTable(TABLE))), rulesIn(dump(askRules(TABLE)), TABLE), maps

    def delete(self, name: str) -> bool:
        """
        Remove a table, if it is there.

        @return: whether it was.
        @raise FirewallError: the kernel refused.
        """
        table = tableIn(self._kernel.dump(askTable(name)))
        if table is None:
            return False
        if table.owner not in (0, self.port):
            raise owned(name)
        self._library.run(f"delete table inet {name}")
        return True


def _differs(wanted: Element, present: Element | None) -> bool:
    if present is None or present.comment.partition(" ")[2] != wanted.comment.partition(" ")[2]:
        return True
    return abs(present.expires - wanted.timeout) > NEGLIGIBLE
