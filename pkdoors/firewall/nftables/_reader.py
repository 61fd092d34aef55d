"""Reads the guard's table from the kernel."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from secrets import token_hex

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.capture import HEARD_CHAIN, KNOCK_SETS
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import OpeningSet, findSets, isOpenings, openingSets, setOf
from pkdoors.firewall.guard.sets import (
    ABOUT,
    INSIDE_SETS,
    MAPS,
    PORT_MAPS,
    PORT_SETS,
    PROTOCOLS,
    openingKey,
    parseOpening,
    secondsLeft,
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
        ports, verdicts = (
            {
                protocol: readIntervals(dump(askElements(name, sets[protocol])))
                for protocol in PROTOCOLS
            }
            for sets in (PORT_SETS, PORT_MAPS)
        )
        sets = readSets(dump(askSets(name)))
        return Survey(
            table,
            chains=frozenset(readChains(dump(askChains(name)), name)),
            sets=sets,
            counters=readCounters(dump(askCounters(name))),
            ports=ports,
            verdicts=verdicts,
            notes=frozenset(element.comment for element in self.listElements(ABOUT, name)),
            trusted={
                trusted: frozenset(element.key for element in self.listElements(trusted, name))
                for trusted in filter(isTrustedSet, sets)
            },
        )

    def listOpenings(
        self, survey: Survey, doors: Iterable[Door], table: str = TABLE
    ) -> list[Opening]:
        """
        Return the openings of these doors in a table that are still valid; those of doors without
        ports also if their deadline has passed.
        """
        now, sinceBoot = self._seconds(), self._bootClock()
        known = [door for door in doors if survey.isOf(self.boot) and survey.knows(door)]
        return [
            parseOpening(element, door, now + min(left, door.maxOpenFor), openings.length)
            for door in known
            for openings in findSets(survey.sets, door)
            for element in self._listUnused(openings, table)
            if (left := secondsLeft(element, sinceBoot)) > 0 or not door.ports
        ]

    def _listUnused(self, openings: OpeningSet, table: str) -> list[Element]:
        """Return the elements of a set that still let a client begin a connection."""
        elements = self.listElements(openings.name, table)
        if not (openings.isOnce and elements):
            return elements
        used = self.listKeys(openings.used, table)  # after the openings, to miss none
        return [element for element in elements if element.key not in used]

    def listKeys(self, name: str, table: str = TABLE) -> set[bytes]:
        """Return the keys of a set; none if it is not there."""
        return {element.key for element in self.listElements(name, table)}

    def findKeys(self, name: str, keys: Iterable[bytes], table: str = TABLE) -> set[bytes]:
        """Return those of some keys that a set has; the others are not listed."""
        answers = self._kernel.find([askKey(table, name, key) for key in keys])
        return {element.key for element in readElements(answers)}

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """Return which openings for one connection are over, see L{IFirewall.findUsed}."""
        bySet: dict[OpeningSet, dict[bytes, Opening]] = {}
        for opening in openings:
            bySet.setdefault(setOf(opening), {})[openingKey(opening.source)] = opening
        found = []
        for openingSet, keyed in bySet.items():
            present = self.findKeys(openingSet.name, keyed)
            used = self.findKeys(openingSet.used, keyed)
            found += [
                (opening, key in used)
                for key, opening in keyed.items()
                if key in used or key not in present
            ]
        return found

    def listOpenKeys(self, guard: Guard) -> set[tuple[str, bytes]]:
        """Return the set and the key of each opening in the kernel."""
        names = [
            openings.name for door in guard.doors for openings in openingSets(door, guard.networks)
        ]
        return {(name, key) for name in names for key in self.listKeys(name)}

    def countOpenings(self) -> int:
        """Return the number of openings of all doors."""
        names = [name for name in self.survey().sets if isOpenings(name)]
        return sum(len(self.listElements(name)) for name in names)

    def listFlows(self, doors: Iterable[Door], table: str = TABLE) -> Books:
        """Return all flows that the kernel remembers."""
        names = [name for name, definition in setsFor(doors).items() if definition.isFlows]
        return {name: self.listFlowsIn(name, table) for name in names}

    def mergeFlows(self, flows: Books, doors: Iterable[Door], table: str) -> Books:
        """Return these flows, and those that a table remembers if it is a guard of this boot."""
        survey = self.survey(table)
        if not (survey.isOurs and survey.isOf(self.boot)):
            return flows
        there = self.listFlows(doors, table)
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
        names = (*MAPS, *PORT_SETS.values(), *INSIDE_SETS, *trusted)
        maps = [readVerdicts(dump(askElements(TABLE, name))) for name in names]
        return self.tableOf(TABLE), readRules(dump(askRules(TABLE)), TABLE), maps
