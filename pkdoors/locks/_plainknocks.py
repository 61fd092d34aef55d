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
from operator import attrgetter
from typing import NamedTuple

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import Penalties, computePenaltyEnd, computePeriodEnd
from pkdoors.locks.lock import Guessing, Request, Result
from pkdoors.locks.sequencelock import Meaning, Run, SequenceLock
from pkdoors.locks.tries import MAX_TOLD, Tries
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.knockports import KnockPort
from pkdoors.model.networks import networkOf, placeOf, siteOf
from pkdoors.util.durations import formatWait

# Tuples, not sets: an Enum's hash is computed in Python, which takes longer than to compare four.
_RIGHT = (Meaning.NEXT, Meaning.COPY)
_FITTING = (*_RIGHT, Meaning.FIRST, Meaning.AFTER)
_NUMBER = attrgetter("number")
_DOUBTFUL = (Meaning.WRONG, Meaning.STRAY)


class _View(NamedTuple):
    """What a knock means for one lock, before anything changes."""

    lock: SequenceLock
    run: Run | None
    meaning: Meaning


class _Knocker(NamedTuple):
    """The sender of a knock, see L{pkdoors.model.networks}."""

    source: str
    network: str
    place: str


def _isStray(views: list[_View]) -> bool:
    """Return whether a knock fits no lock."""
    return not any(view.meaning in _FITTING for view in views)


class PlainKnocks:
    """
    Decides about plain knocks for all locks together.

    @param locks: the locks of all doors that plain knocks open.
    @ivar anyPorts: the ports on which some door hears any payload.
    """

    def __init__(self, locks: Iterable[SequenceLock]) -> None:
        self.tries = Tries()
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
        # Most locks share no port, and need no search for others.
        self._shared = {lock for locks in self._byPort.values() if len(locks) > 1 for lock in locks}

    def carryOver(self, locks: Iterable[SequenceLock]) -> "PlainKnocks":
        """Return this for other locks. Penalties stay in force, and numbers and tries continue."""
        other = PlainKnocks(locks)
        other.tries = self.tries
        other._penalties, other._number = self._penalties, self._number
        return other

    def hear(self, knock: Knock, seconds: int | None, now: float) -> list[Result]:
        """
        Hear a plain knock.

        @param seconds: the time that the knock asks for; L{None} if it is a knock only for doors
            that hear any payload. At the other doors with this port, it is nothing at all.
        @param now: on a clock that does not jump.
        """
        locks = self._byPort.get(knock.port)
        if locks and seconds is None:
            locks = [lock for lock in locks if lock.door.hearsAny]
        if not locks:
            return []
        source = knock.source
        network = networkOf(source)
        until = self._ignoredUntil(network)
        if now < until:
            reason = f"ignored for another {formatWait(until - now)}"
            return [lock.refuse(source, reason) for lock in locks]
        place = placeOf(source, network)
        # Most knocks of a flood concern no lock, and must be dismissed quickly.
        for lock in locks:
            if lock.concerns(place, knock.port, now):
                break
        else:
            for lock in locks[:MAX_TOLD]:
                self.tries.note(lock.door, source, place, now)
            return []
        self._number += 1
        views = []
        for lock in locks:
            run = lock.findRun(place, until)
            views.append(_View(lock, run, lock.interpret(run, knock.port, now)))
        if [view for view in views if view.meaning is Meaning.ECHO]:
            return []
        return self._judge(views, _Knocker(source, network, place), seconds or 0, now)

    def hasPort(self, port: KnockPort) -> bool:
        """Return whether plain knocks on a port may open a door."""
        return port in self._byPort

    def explain(self, knock: Knock, seconds: int | None, now: float) -> dict[str, str]:
        """
        Return what a datagram that is about to be heard means for each door. This changes nothing.

        @param seconds: the time that it asks for; L{None} if it is not a plain knock.
        """
        network = networkOf(knock.source)
        until = self._ignoredUntil(network)
        place = placeOf(knock.source, network)
        found = {}
        for lock in self._byPort.get(knock.port, ()):
            if seconds is None and not lock.door.hearsAny:
                found[lock.door.name] = "not a plain knock"
            elif now < until:
                found[lock.door.name] = f"ignored for another {formatWait(until - now)}"
            else:
                found[lock.door.name] = lock.explain(place, knock.port, now, until)
        return found

    def _ignoredUntil(self, network: str) -> float:
        end = self._penalties.findEnd(network)
        return max(end, self._penalties.findEnd(siteOf(network))) if ":" in network else end

    def _judge(
        self, views: list[_View], knocker: _Knocker, seconds: int, now: float
    ) -> list[Result]:
        right = [run for _, run, meaning in views if run and meaning in _RIGHT]
        numbers = {run.number for run in right}
        wrong = self._findWrong(views, numbers, now)
        # The oldest run that this knock continues includes the runs that it begins elsewhere.
        whole = min(right, key=_NUMBER, default=None)
        results: list[Result] = []
        ended: list[tuple[SequenceLock, Run]] = []
        opened: list[SequenceLock] = []
        note, source, place = self.tries.note, knocker.source, knocker.place
        for lock, run, meaning in views:
            if meaning is Meaning.FIRST:
                lock.begin(place, now, self._number, whole)
                if whole is None:
                    note(lock.door, source, place, now, 1, now + lock.door.knockTimeout)
            elif meaning is Meaning.STRAY and _isStray(views):
                note(lock.door, source, place, now)
            if run is None:
                continue
            if meaning is Meaning.FIRST:
                ended.append((lock, run))
            elif meaning is Meaning.NEXT:
                part = run.part if run.part in numbers else run.number
                if lock.advance(place, run, part):
                    ended.append((lock, run))
                    opened.append(lock)
                    results.append(Request(lock.door, source, seconds))
                    self._noteOpened(lock, knocker, now)
                elif part == run.number:
                    note(lock.door, source, place, now, run.right + 1, run.ends)
            elif meaning in (Meaning.WRONG, Meaning.LATE):
                lock.forget(place)
                if meaning is Meaning.LATE:
                    results.append(lock.refuseTooSlow(source, run))
                    self.tries.forget(place, lock.door)
        for lock, run in ended:
            self._endParts(lock, place, run)
        for lock in opened:
            self._forgetTries(lock, place)
        if wrong:
            results += self._punish(wrong, knocker, now)
        return results

    def _findWrong(self, views: list[_View], right: set[int], now: float) -> list[_View]:
        """
        Return the locks for which a knock is a wrong order.

        @param right: the numbers of the runs that the knock continues.
        """
        if not [view for view in views if view.meaning in _DOUBTFUL]:
            return []
        # A run that starts over was right until now, and so were all runs that it includes.
        whole = right | {
            run.number for _, run, meaning in views if run and meaning is Meaning.FIRST
        }
        fits = not _isStray(views)
        return [
            view
            for view in views
            if (view.meaning is Meaning.WRONG and view.run and view.run.part not in whole)
            or (view.meaning is Meaning.STRAY and not fits and view.lock.wrongOrders.isWary(now))
        ]

    def _punish(self, wrong: list[_View], knocker: _Knocker, now: float) -> list[Result]:
        network = knocker.network
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
            self.tries.forget(knocker.place, lock.door)
            results.append(lock.refuseWrongPort(knocker.source, run, until - now))
            if report := lock.wrongOrders.report(now):
                results.append(Guessing(lock.door, *report))
        return results

    def _findNeighbours(self, lock: SequenceLock) -> Iterable[SequenceLock]:
        """Return the locks that share a port with this one, and itself."""
        if lock not in self._shared:
            return (lock,)
        ports = lock.door.sequence.ports
        return set(chain.from_iterable(self._byPort[port] for port in ports))

    def _endParts(self, lock: SequenceLock, place: str, run: Run) -> None:
        """End the runs at other locks that were part of a run that has ended well."""
        if run.right and lock in self._shared:
            for neighbour in self._findNeighbours(lock):
                neighbour.forgetPart(place, run.number)

    def _forgetTries(self, lock: SequenceLock, place: str) -> None:
        """Forget the tries that were part of a sequence that has opened a door."""
        for neighbour in self._findNeighbours(lock):
            self.tries.forget(place, neighbour.door)

    def _noteOpened(self, lock: SequenceLock, knocker: _Knocker, now: float) -> None:
        lock.wrongOrders.forgive(knocker.network)
        if lock in self._shared or lock.wrongOrders.isWary(now):
            lock.noteOpened(knocker.place, now)
