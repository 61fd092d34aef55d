"""Reads the guard's table from the kernel."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from secrets import token_hex

from pkdoors.errors import FirewallError
from pkdoors.firewall.earlier import secondguard
from pkdoors.firewall.guard.capture import HEARD_CHAIN, KNOCK_SETS
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.guard.layout import Elements, Layout, isInterval
from pkdoors.firewall.guard.openingkeys import identify, sourceKey, splitOpeningKey
from pkdoors.firewall.guard.openingsets import ADDRESS, OnceSet, onceSetOf, openingsName
from pkdoors.firewall.guard.portgroups import Span
from pkdoors.firewall.guard.sets import (
    ABOUT,
    INSIDE_SETS,
    MAPS,
    PORT_SETS,
    PROTOCOLS,
    RANGE_SETS,
    setsFor,
)
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.guard.trusted import isTrustedSet
from pkdoors.firewall.netlink.dump import (
    Table,
    askChains,
    askCounters,
    askElements,
    askKey,
    askRules,
    askSets,
    askTable,
    readChains,
    readCounters,
    readElements,
    readIntervals,
    readRules,
    readSets,
    readTable,
    readVerdicts,
)
from pkdoors.firewall.netlink.kernel import Kernel
from pkdoors.firewall.netlink.messages import Element
from pkdoors.firewall.openings.elements import parseOpening, secondsLeft
from pkdoors.host.bootid import UNKNOWN, readBootId
from pkdoors.model.doors import Door, Opening, listProtectedPorts


def bootClock() -> float:
    """Return the seconds since the boot, including those in which the host slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class GuardReader:
    """
    Reads from the kernel again each time, and keeps nothing. A refusal of the kernel's is a
    L{FirewallError}, unless a method says otherwise.

    @param seconds: the clock of deadlines.
    @ivar boot: the boot that openings belong to.
    """

    def __init__(
        self, kernel: Kernel, seconds: Callable[[], float], bootClock: Callable[[], float]
    ) -> None:
        self._kernel = kernel
        self._seconds = seconds
        self._bootClock = bootClock
        # If the boot is unknown, no table is of this boot: that costs openings, but lets nobody in.
        boot = readBootId()
        self.boot = boot if boot != UNKNOWN else f"unknown-{token_hex(8)}"

    def isThere(self) -> bool:
        """Return whether there is a table of our name."""
        return self.tableOf(TABLE) is not None

    def tableOf(self, name: str) -> Table | None:
        """Return a table's flags, owner and handle; L{None} if it is not there."""
        return readTable(self._kernel.dump(askTable(name)))

    def isGuarding(self, doors: Collection[Door]) -> bool:
        """
        Return whether the table is a guard of this version, made in this boot and with its rules,
        that keeps all ports of these doors closed.
        """
        survey = self.survey()
        if not (survey.isOurs and survey.isOf(self.boot)):
            return False
        hasRules = bool(readRules(self._kernel.dump(askRules(TABLE)), TABLE))
        kept = survey.protected()
        return hasRules and all(
            any(map(ports.isWithin, kept)) for ports in listProtectedPorts(doors)
        )

    def survey(self, name: str = TABLE) -> Survey:
        """Return what the kernel has of a table."""
        dump = self._kernel.dump
        table = self.tableOf(name)
        if table is None:
            return Survey()
        notes = frozenset(element.comment for element in self.listElements(ABOUT, name))
        isSecond = secondguard.FORMAT in notes
        return Survey(
            table,
            chains=frozenset(readChains(dump(askChains(name)), name)),
            sets=frozenset(readSets(dump(askSets(name)))),
            counters=frozenset(readCounters(dump(askCounters(name)))),
            ports={protocol: self._listClosed(protocol, name, isSecond) for protocol in PROTOCOLS},
            notes=notes,
        )

    def _listClosed(self, protocol: str, table: str, isSecond: bool) -> list[Span]:
        """
        Return the ports that a table keeps closed.

        @param isSecond: whether the table is of the second version, in which all are ranges.
        """
        dump, name = self._kernel.dump, PORT_SETS[protocol]
        if isSecond:
            return list(readIntervals(dump(askElements(table, name))))
        singles = [int.from_bytes(element.key) for element in self.listElements(name, table)]
        several = readIntervals(dump(askElements(table, RANGE_SETS[protocol])))
        return [*((port, port) for port in singles), *several]

    def listConfigured(self, layout: Layout, survey: Survey, table: str) -> dict[str, Elements]:
        """Return the elements in a table that follow from the configuration alone."""
        found: dict[str, Elements] = {}
        for name in layout.elements.keys() & survey.sets:
            if isInterval(name):
                spans = readIntervals(self._kernel.dump(askElements(table, name)))
                elements = [
                    Element(first.to_bytes(2) + last.to_bytes(2), chain=chain)
                    for (first, last), chain in spans.items()
                ]
            else:
                elements = self.listElements(name, table)
            found[name] = {element.key: element for element in elements}
        return found

    def listOpenings(
        self, survey: Survey, doors: Iterable[Door], table: str = TABLE
    ) -> list[Opening]:
        """
        Return the openings of these doors in a table that are still valid; those of doors without
        ports also if their deadline has passed.
        """
        if not survey.isOf(self.boot):
            return []
        if secondguard.FORMAT in survey.notes:
            second = secondguard.findOpenings(
                survey.notes, survey.sets, doors, lambda name: self.listElements(name, table)
            )
            return [opening for each in second if (opening := self._parse(*each))]
        known = {identify(door): door for door in doors}
        found = []
        for version in ADDRESS:
            for element in self.listElements(openingsName(version), table):
                source, identity, length = splitOpeningKey(element.key)
                if identity in known:
                    found.append((element, source, length, known[identity]))
        parsed = [opening for each in found if (opening := self._parse(*each))]
        unused = self._findUnused(parsed, table)
        return [
            opening
            for opening in parsed
            if not (opening.door.once and opening.door.ports) or opening.key in unused
        ]

    def _parse(self, element: Element, source: bytes, length: int, door: Door) -> Opening | None:
        """Return an opening; L{None} if its time is over."""
        left = secondsLeft(element, self._bootClock())
        if left <= 0 and door.ports:
            return None
        deadline = self._seconds() + min(left, door.maxOpenFor)
        return parseOpening(element, source, length, door, deadline)

    def _findUnused(self, openings: list[Opening], table: str) -> set[object]:
        """Return the keys of openings for one connection that still let a client begin one."""
        found: set[object] = set()
        for once, some in groupBySet(openings).items():
            present = self.listKeys(once.name, table)
            used = self.listKeys(once.used, table)  # after the openings, to miss none
            unused = present - used
            found |= {each.key for each in some if sourceKey(each.source) in unused}
        return found

    def listKeys(self, name: str, table: str = TABLE) -> set[bytes]:
        """Return the keys of a set; none if it is not there."""
        return {element.key for element in self.listElements(name, table)}

    def findKeys(self, name: str, keys: Iterable[bytes], table: str = TABLE) -> set[bytes]:
        """Return those of some keys that a set has; the others are not listed."""
        answers = self._kernel.find([askKey(table, name, key) for key in keys])
        return {element.key for element in readElements(answers)}

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """Return which openings for one connection are over, see L{IFirewall.findUsed}."""
        found = []
        for once, some in groupBySet(openings).items():
            keyed = {sourceKey(opening.source): opening for opening in some}
            present, used = self.findKeys(once.name, keyed), self.findKeys(once.used, keyed)
            found += [
                (opening, key in used)
                for key, opening in keyed.items()
                if key in used or key not in present
            ]
        return found

    def countOpenings(self) -> int:
        """Return the number of openings of all doors."""
        survey = self.survey()
        names = map(openingsName, ADDRESS) if survey.isOurs else survey.sets
        return sum(
            len(self.listElements(name))
            for name in names
            if survey.isOurs or secondguard.isOpenings(name)
        )

    def listFlows(self, doors: Iterable[Door], table: str = TABLE) -> Books:
        """Return all flows that the kernel remembers."""
        names = [name for name, definition in setsFor(doors).items() if definition.isFlows]
        return {name: self.listFlowsIn(name, table) for name in names}

    def mergeFlows(self, flows: Books, doors: Iterable[Door], table: str) -> Books:
        """Return these flows, and those that a table remembers if it is a guard of this boot."""
        survey, doors = self.survey(table), list(doors)
        isSecond = secondguard.FORMAT in survey.notes
        if not ((survey.isOurs or isSecond) and survey.isOf(self.boot)):
            return flows
        there = {name: {**found} for name, found in self.listFlows(doors, table).items()}
        if isSecond:
            secondguard.addFlows(there, doors, lambda name: self.listFlowsIn(name, table))
        return {name: {**flows.get(name, {}), **there.get(name, {})} for name in {**flows, **there}}

    def listFlowsIn(self, name: str, table: str = TABLE) -> dict[bytes, float]:
        """Return the flows in one set, with their deadlines."""
        now = self._seconds()
        elements = self.listElements(name, table)
        return {element.key: now + element.expires / 1000 for element in elements}

    def listElements(self, name: str, table: str = TABLE) -> list[Element]:
        """Return the elements of a set; an empty list if it is not there."""
        return readElements(self._kernel.dump(askElements(table, name)))

    def listCaptured(self, survey: Survey) -> frozenset[int] | None:
        """
        Return the knock ports whose datagrams the table writes into the kernel's packet log;
        L{None} if it does not do that.
        """
        if HEARD_CHAIN not in survey.chains:
            return None
        elements = (element for name in KNOCK_SETS for element in self.listElements(name))
        return frozenset(int.from_bytes(element.key[:2]) for element in elements)

    def readCounts(self) -> Mapping[str, int]:
        """Return the counts of dropped knocks; empty if the kernel refuses."""
        try:
            return readCounters(self._kernel.dump(askCounters(TABLE)))
        except FirewallError:
            return {}

    def readFingerprint(self) -> object:
        """
        Return a value that stays equal until somebody changes the rules, or what leads to them.
        """
        dump = self._kernel.dump
        trusted = sorted(filter(isTrustedSet, readSets(dump(askSets(TABLE)))))
        names = (*MAPS, *PORT_SETS.values(), *RANGE_SETS.values(), *INSIDE_SETS, *trusted)
        maps = [readVerdicts(dump(askElements(TABLE, name))) for name in names]
        return self.tableOf(TABLE), readRules(dump(askRules(TABLE)), TABLE), maps


def groupBySet(openings: Iterable[Opening]) -> dict[OnceSet, list[Opening]]:
    """Return those of some openings that are for one connection, by their sets."""
    bySet: dict[OnceSet, list[Opening]] = {}
    for opening in openings:
        if opening.door.once and opening.door.ports:
            bySet.setdefault(onceSetOf(opening), []).append(opening)
    return bySet
