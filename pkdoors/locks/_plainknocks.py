"""
Plain knocks at the locks of all doors. Pure.

The order of a door's ports is its secret; an attacker may know the ports. So a wrong order must
cost the same however many doors share these ports, and however many addresses the attacker has:

- Progress belongs to an address, so two hosts of one network can knock at the same time, and the
  opening is for the address that knocked. A penalty belongs to the network, at all doors, and ends
  the progress of all its addresses.
- A knock that is right at one door may be wrong at another door that shares the port. It is
  forgiven there only if the older progress at the first door includes every knock of the progress
  that it loses. Then it is one sequence, knocked by somebody who does not think of the other door.
- A door that has had too many wrong orders is wary: L{pkdoors.locks.wrongorders}. Then a sequence
  must also begin with its first port, so that an order followed by its beginning does not try all
  rotations; and a penalty belongs to the site.
"""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import Penalties, computePenaltyEnd, computePeriodEnd
from pkdoors.locks.lock import Guessing, Request, Result
from pkdoors.locks.sequencelock import Meaning, Run, SequenceLock
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.knockports import KnockPort
from pkdoors.model.networks import networkOf, placeOf, siteOf

_RIGHT = frozenset({Meaning.NEXT, Meaning.COPY})
_FITTING = _RIGHT | {Meaning.FIRST, Meaning.AFTER}


class _View(NamedTuple):
    """What a knock means for one lock, before anything changes."""

    lock: SequenceLock
    run: Run | None
    meaning: Meaning


class _Knocker(NamedTuple):
    """The sender of a knock, see L{pkdoors.model.networks}."""

    network: str
    place: str


class PlainKnocks:
    """
    Decides about plain knocks for all locks together.

    @param locks: the locks of all doors that plain knocks open.
    @ivar anyPorts: the ports on which some door hears any payload.
    """

    def __init__(self, locks: Iterable[SequenceLock]) -> None:
        self._penalties = Penalties()
        self._number = 0  # of the last knock
        self._byPort: dict[KnockPort, list[SequenceLock]] = {}
        for lock in locks:
            for port in set(lock.door.sequence.ports):
                self._byPort.setdefault(port, []).append(lock)
        found = chain.from_iterable(self._byPort.values())
        self.anyPorts = frozenset(
            port for lock in found if lock.door.hearsAny for port in lock.door.sequence.ports
        )

    def carryOver(self, locks: Iterable[SequenceLock]) -> "PlainKnocks":
        """Return this for other locks. Penalties stay in force, and numbers continue."""
        other = PlainKnocks(locks)
        other._penalties, other._number = self._penalties, self._number
        return other

    def hear(self, knock: Knock, seconds: int | None, now: float) -> list[Result]:
        """
        Hear a plain knock.

        @param seconds: the time that the knock asks for; L{None} if it is a knock only for doors
            that hear any payload. At the other doors with this port, it is nothing at all.
        @param now: on a clock that does not jump.
        """
        locks: Iterable[SequenceLock] = self._byPort.get(knock.port, ())
        if seconds is None:
            locks, seconds = [lock for lock in locks if lock.door.hearsAny], 0
        if not locks:
            return []
        source = knock.source
        network = networkOf(source)
        until = self._ignoredUntil(network)
        if now < until:
            reason = f"ignored for another {until - now:.1f} s"
            return [lock.refuse(source, reason) for lock in locks]
        place = placeOf(source, network)
        # Most knocks of a flood concern no lock, and must be dismissed quickly.
        if not any(lock.concerns(place, knock.port, now) for lock in locks):
            return []
        self._number += 1
        runs = [lock.findRun(place, until) for lock in locks]
        views = [
            _View(lock, run, lock.interpret(run, knock.port, now))
            for lock, run in zip(locks, runs, strict=True)
        ]
        if any(meaning is Meaning.ECHO for _, _, meaning in views):
            return []
        return self._judge(views, knock, _Knocker(network, place), seconds, now)

    def _ignoredUntil(self, network: str) -> float:
        end = self._penalties.findEnd(network)
        return max(end, self._penalties.findEnd(siteOf(network))) if ":" in network else end

    def _judge(
        self, views: list[_View], knock: Knock, knocker: _Knocker, seconds: int, now: float
    ) -> list[Result]:
        right = [run for _, run, meaning in views if run and meaning in _RIGHT]
        numbers = {run.number for run in right}
        wrong = self._findWrong(views, numbers, now)
        # The oldest run that this knock continues includes the runs that it begins elsewhere.
        whole = min(right, key=lambda run: run.number, default=None)
        results: list[Result] = []
        ended: list[tuple[SequenceLock, Run]] = []
        for lock, run, meaning in views:
            if meaning is Meaning.FIRST:
                lock.begin(knocker.place, now, self._number, whole)
            if run is None:
                continue
            if meaning is Meaning.FIRST:
                ended.append((lock, run))
            elif meaning is Meaning.NEXT:
                part = run.part if run.part in numbers else run.number
                if lock.advance(knocker.place, run, part):
                    ended.append((lock, run))
                    results.append(Request(lock.door, knock.source, seconds))
                    self._noteOpened(lock, knocker, now)
            elif meaning in (Meaning.WRONG, Meaning.LATE):
                lock.forget(knocker.place)
                if meaning is Meaning.LATE:
                    results.append(lock.refuseTooSlow(knock.source, run))
        for lock, run in ended:
            self._endParts(lock, knocker.place, run)
        return results + self._punish(wrong, knock.source, knocker.network, now)

    def _findWrong(self, views: list[_View], right: set[int], now: float) -> list[_View]:
        """
        Return the locks for which a knock is a wrong order.

        @param right: the numbers of the runs that the knock continues.
        """
        # A run that starts over was right until now, and so were all runs that it includes.
        whole = right | {
            run.number for _, run, meaning in views if run and meaning is Meaning.FIRST
        }
        fits = any(meaning in _FITTING for _, _, meaning in views)
        return [
            view
            for view in views
            if (view.meaning is Meaning.WRONG and view.run and view.run.part not in whole)
            or (view.meaning is Meaning.STRAY and not fits and view.lock.wrongOrders.isWary(now))
        ]

    def _punish(self, wrong: list[_View], source: str, network: str, now: float) -> list[Result]:
        if not wrong:
            return []
        name, until = network, now
        for lock, _, _ in wrong:
            until = max(until, computePenaltyEnd(now, lock.door.penalty))
            if lock.wrongOrders.isWary(now):
                name, until = siteOf(network), max(until, computePeriodEnd(now, WARY_PENALTY))
        if until > now:
            self._penalties.put(name, until)
        results: list[Result] = []
        for lock, run, _ in wrong:
            lock.wrongOrders.add(network, now)
            results.append(lock.refuseWrongPort(source, run, until - now))
            if report := lock.wrongOrders.report(now):
                results.append(Guessing(lock.door, *report))
        return results

    def _findNeighbours(self, lock: SequenceLock) -> set[SequenceLock]:
        """Return the locks that share a port with this one, and itself."""
        ports = lock.door.sequence.ports
        return set(chain.from_iterable(self._byPort[port] for port in ports))

    def _endParts(self, lock: SequenceLock, place: str, run: Run) -> None:
        """End the runs that were part of a run that has ended well."""
        if run.right:
            for neighbour in self._findNeighbours(lock):
                neighbour.forgetPart(place, run.number)

    def _noteOpened(self, lock: SequenceLock, knocker: _Knocker, now: float) -> None:
        lock.wrongOrders.forgive(knocker.network)
        if len(self._findNeighbours(lock)) > 1 or lock.wrongOrders.isWary(now):
            lock.noteOpened(knocker.place, now)
