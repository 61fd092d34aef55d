"""
Plain knocks, taken to the locks of all doors. Pure, like the locks.

The order of a door's ports is its secret, and somebody may know the ports. So a wrong order must
cost the same however many doors have these ports, and however many addresses the knocker has:

- Progress belongs to an address, so two hosts of one network can knock at the same time; the
  opening is for the address that knocked. A penalty belongs to the network, at all doors, and ends
  the progress of all its addresses.
- A knock that is right at one door may be wrong at another that shares the port. It is forgiven
  there only if every knock of the progress that it loses was part of the older progress at the
  first door: then it is one sequence, knocked by somebody who does not think of the other door.
- A door that has had too many wrong orders is wary: L{pkdoors.locks.wrongorders}. Then a sequence
  must also begin with its first port, so an order and its beginning sent again do not try all
  rotations, and a penalty belongs to the site.
"""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import Penalties, computePenaltyEnd, computePeriodEnd
from pkdoors.locks.lock import Guessing, Meaning, Request, Result, Run, SequenceLock
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.networks import networkOf, placeOf, siteOf

_RIGHT = frozenset({Meaning.NEXT, Meaning.COPY})
_FITTING = _RIGHT | {Meaning.FIRST, Meaning.AFTER}


class _View(NamedTuple):
    """What a knock is for one lock, before anything changes."""

    lock: SequenceLock
    run: Run | None
    meaning: Meaning


class _Knocker(NamedTuple):
    """Whom a knock is from: see L{pkdoors.model.networks}."""

    network: str
    place: str


class PlainKnocks:
    """
    @param locks: of all doors that plain knocks open.
    """

    def __init__(self, locks: Iterable[SequenceLock]) -> None:
        self._penalties = Penalties()
        self._number = 0  # of the last knock
        self._byPort: dict[int, list[SequenceLock]] = {}
        for lock in locks:
            for port in set(lock.door.sequence.ports):
                self._byPort.setdefault(port, []).append(lock)

    def carryOver(self, locks: Iterable[SequenceLock]) -> "PlainKnocks":
        """Return the same for other locks: penalties live on, and numbers go on."""
        other = PlainKnocks(locks)
        other._penalties, other._number = self._penalties, self._number
        return other

    def hear(self, knock: Knock, seconds: int, now: float) -> list[Result]:
        """
        Hear a plain knock.

        @param seconds: the time that it asks for.
        @param now: on a clock that does not jump.
        """
        locks = self._byPort.get(knock.port, ())
        if not locks:
            return []
        source = knock.source
        network = networkOf(source)
        until = self._ignoredUntil(network)
        if now < until:
            reason = f"ignored for another {until - now:.1f} s"
            return [lock.refuse(source, reason) for lock in locks]
        place = placeOf(source, network)
        # Most knocks of a flood are nothing to anybody, and have to be gone through quickly.
        if not any(lock.concerns(place, knock.port, now) for lock in locks):
            return []
        self._number += 1
        runs = [lock.run(place, until) for lock in locks]
        views = [
            _View(lock, run, lock.meaning(run, knock.port, now))
            for lock, run in zip(locks, runs, strict=True)
        ]
        if any(meaning is Meaning.ECHO for _, _, meaning in views):
            return []
        return self._judge(views, knock, _Knocker(network, place), seconds, now)

    def _ignoredUntil(self, network: str) -> float:
        ends = self._penalties.ends(network)
        return max(ends, self._penalties.ends(siteOf(network))) if ":" in network else ends

    def _judge(
        self, views: list[_View], knock: Knock, who: _Knocker, seconds: int, now: float
    ) -> list[Result]:
        right = [run for _, run, meaning in views if run and meaning in _RIGHT]
        numbers = {run.number for run in right}
        wrong = self._wrong(views, numbers, now)
        whole = min(right, key=lambda run: run.number, default=None)
        results: list[Result] = []
        ended: list[tuple[SequenceLock, Run]] = []
        for lock, run, meaning in views:
            if meaning is Meaning.FIRST:
                lock.begin(who.place, now, self._number, whole)
            if run is None:
                continue
            if meaning is Meaning.FIRST:
                ended.append((lock, run))
            elif meaning is Meaning.NEXT:
                part = run.part if run.part in numbers else run.number
                if lock.advance(who.place, run, part):
                    ended.append((lock, run))
                    results.append(Request(lock.door, knock.source, seconds))
                    self._noteOpened(lock, who, now)
            elif meaning in (Meaning.WRONG, Meaning.LATE):
                lock.forget(who.place)
                if meaning is Meaning.LATE:
                    results.append(lock.refuseTooSlow(knock.source, run))
        for lock, run in ended:
            self._endParts(lock, who.place, run)
        return results + self._punish(wrong, knock.source, who.network, now)

    def _wrong(self, views: list[_View], right: set[int], now: float) -> list[_View]:
        """
        Return for which locks a knock is a wrong order.

        @param right: the numbers of the runs that it is right for.
        """
        # A run that starts over was right until now, with all that was part of it.
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

    def _neighbours(self, lock: SequenceLock) -> set[SequenceLock]:
        """The locks that have a port of this one's, and itself."""
        ports = lock.door.sequence.ports
        return set(chain.from_iterable(self._byPort[port] for port in ports))

    def _endParts(self, lock: SequenceLock, place: str, run: Run) -> None:
        """A run has ended well: so have those that were part of it."""
        if run.right:
            for each in self._neighbours(lock):
                each.forgetPart(place, run.number)

    def _noteOpened(self, lock: SequenceLock, who: _Knocker, now: float) -> None:
        lock.wrongOrders.forgive(who.network)
        if len(self._neighbours(lock)) > 1 or lock.wrongOrders.isWary(now):
            lock.noteOpened(who.place, now)
