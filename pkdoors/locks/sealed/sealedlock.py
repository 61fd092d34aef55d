"""The lock of a door that opens to sealed knocks. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from math import inf

from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import (
    PREFIX,
    Sealed,
    SealError,
    Statement,
    makeBeginning,
    packSealed,
    parseSealed,
)
from pkdoors.knocks.signatureforms import isWellFormed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed._targets import Target, explainBound, findTarget, isOwn
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.checking.arrivals import ArrivalKey, Arrivals
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sealed.checking.queue import Waiting
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keytable import Lines
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealjudge import (
    SealJudge,
    SealRefused,
    explainSkew,
    isBound,
    nameClaim,
)
from pkdoors.model.doors import Door

ROUNDS = 3
"""How often a client sends its knock to each port; see L{pkdoors.client._plan}. More copies do not
count."""

_JUDGED = 0
"""The stage of datagrams that need no more attention. The stage of the others is the number of
ports that had them."""
_NO_PROGRESS = (_JUDGED, -inf, 0)
"""The progress of a new datagram."""
_COPY = 1 << 32
"""One arrival, in the note of a progress. The lower bits are the ports that had the datagram."""
_PORTS = _COPY - 1


class SealedLock:
    """
    Opens to a datagram with a good seal that arrives on every port of the door's sequence.

    The same datagram may arrive in any order, any number of times, with anything in between. Only
    when every port has had it from one source, its signature is checked, once, or queued for a
    check. Nothing that others send, even in that source's name, can spoil it.

    @param hints: finds the keys that may knock.
    @param seen: the knocks that opened a door.
    @param checks: the checks, which all sealed locks share.
    @param arrivals: the datagrams that are not complete, which all sealed locks share, too.
    @ivar judge: judges what has reached all ports.
    """

    def __init__(
        self,
        door: Door,
        hints: HintIndex,
        seen: ReplayCache,
        checks: SealChecks,
        arrivals: Arrivals,
    ) -> None:
        self.judge = SealJudge(door, hints, seen)
        self._beginning = makeBeginning(door.name)
        self._bits = {port: 1 << at for at, port in enumerate(sorted(set(door.sequence.ports)))}
        self._all = (1 << len(self._bits)) - 1
        self._arrivals = arrivals
        self._number = arrivals.newNumber()
        self._checks = checks
        self.tries = arrivals.tries

    @property
    def door(self) -> Door:
        """The door; a reload can give the lock another one that the same knocks open."""
        return self.judge.door

    @door.setter
    def door(self, door: Door) -> None:
        self.judge.door = door

    def __len__(self) -> int:
        """Return how many datagrams take memory."""
        return self._arrivals.count(self._number) + self._checks.count(self)

    def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """
        Hear a knock, see L{pkdoors.locks.lock.Lock.knock}. A sealed knock for another door is
        ignored.
        """
        source, port, datagram, _ = knock
        if not datagram.startswith(self._beginning):
            return None
        # hash() is SipHash with a secret of this process, so nobody can make another datagram with
        # the same hash. If somebody could, it would open nothing: the datagram itself is judged.
        key = (source, hash(datagram), self._number)
        stage, ends, note = self._arrivals.get(key) or _NO_PROGRESS
        if now >= ends:
            # Look at the rest only when every port has had it: a flood must be dismissed quickly.
            if self._checks.countCopy(key):
                return None
            self._arrivals.sweep(now)
            ends, note = now + self.door.knockTimeout, 0
        elif stage == _JUDGED:
            return None
        note = (note | self._bits[port]) + _COPY
        ports = note & _PORTS
        if ports != self._all:
            self._arrivals.put(key, ports.bit_count(), ends, note)
            self.tries.note(self.door, source, source, now, ports.bit_count(), ends)
            return None
        self.tries.forget(source, self.door)
        return self._complete(knock, key, ends, note // _COPY, now, today)

    def explain(self, knock: Knock, now: float) -> str:
        """Return what a datagram means, see L{pkdoors.locks.lock.Lock.explain}."""
        source, port, datagram, _ = knock
        if not datagram.startswith(PREFIX):
            return "not a sealed knock"
        if not datagram.startswith(self._beginning):
            return "a sealed knock for another door"
        key = (source, hash(datagram), self._number)
        stage, ends, note = self._arrivals.get(key) or _NO_PROGRESS
        if now >= ends:
            if self._checks.isWaiting(key):
                return "a copy of a sealed knock that waits to be checked"
            stage, note = 1, 0
        if stage == _JUDGED:
            return "a copy of a sealed knock that was judged"
        count = ((note | self._bits[port]) & _PORTS).bit_count()
        return f"a sealed knock that has reached {count} of {len(self._bits)} ports"

    def refuse(self, source: str, reason: str) -> Refusal:
        """Return the refusal of a knock."""
        return Refusal(self.door, source, reason)

    def _complete(
        self, knock: Knock, key: ArrivalKey, ends: float, spent: int, now: float, today: float
    ) -> Request | Refusal | None:
        """Refuse a knock that every port has had, if that is cheap, or have its seal checked."""
        try:
            sealed = parseSealed(knock.datagram)
            self._checkCheaply(sealed, knock.source, now, today)
        except (SealRefused, SealError) as reason:
            self._close(key, ends)
            return self.refuse(knock.source, str(reason))
        self._arrivals.forget(key)
        most = ROUNDS * len(self._bits)
        isLong = not sealed.certificate and self.judge.hints.needsSearch(sealed.statement)
        waiting = Waiting(self, key, sealed, knock.source, ends, spent, most, isLong)
        return self._checks.submit(waiting, now, today)

    def _close(self, key: ArrivalKey, ends: float) -> None:
        """Ignore the copies of a datagram from now on."""
        self._arrivals.put(key, _JUDGED, ends, self._all)

    def examine(self, waiting: Waiting, now: float, today: float) -> Request | Refusal | None:
        """Check the signature of a knock, see L{pkdoors.locks.sealed.checking.queue.Examiner}."""
        statement, hinted = waiting.sealed.statement, None
        if waiting.needsSearch:
            waiting.search = waiting.search or self.judge.hints.search(statement)
            hinted = next(waiting.search)
            if hinted is None:
                return None
        elif not waiting.sealed.certificate:
            hinted = self.judge.hints.findQuickly(statement)
        self._close(waiting.key, waiting.ends)
        try:
            return self._examine(waiting, hinted, now, today)
        except SealRefused as reason:
            return Refusal(self.door, waiting.source, str(reason), reason.who)

    def _examine(
        self, waiting: Waiting, found: list[Lines] | None, now: float, today: float
    ) -> Request:
        """Return the request of a knock with a good seal. Its claims are worthless until then."""
        sealed, source, judge = waiting.sealed, waiting.source, self.judge
        statement = sealed.statement
        self._checkTime(statement, now, today)  # again, as it may have waited
        keys = judge.findKeys(sealed, found, today)
        if judge.hasSeen(keys, statement.nonce):
            raise SealRefused("this knock was seen before")
        if not self._mayBeBound(statement, source, chain(*keys)):  # before the costly check
            raise SealRefused(explainBound(statement.bind))
        lines = judge.findSigner(sealed, keys)
        if judge.hasForgotten(lines, statement.stamp):
            reason = "this key has opened too often meanwhile: knock again"
            raise SealRefused(reason, lines[0].who)
        target = judge.chooseTarget(lines, sealed, source, now, today)
        judge.remember(target.line, statement)
        if waiting.needsSearch:
            judge.hints.remember(target.line.blob)
        request = judge.makeRequest(target, statement, source)
        return request if judge.memory is None else self._share(request, sealed, target, now, today)

    def _share(
        self, request: Request, sealed: Sealed, target: Target, now: float, today: float
    ) -> Request:
        """Return the request of a knock that the other hosts of the fleet are to hear of, too."""
        statement, memory = sealed.statement, self.judge.memory
        shared = replace(request, since=statement.stamp / 1000, seal=packSealed(sealed))
        if statement.close or memory is None:
            self.judge.noteClosed(target, statement, now, today)
            return shared
        name = nameClaim(target.line, statement.nonce)
        memory.judged.limit(name, now + self.judge.grant(target, statement))
        return shared if isBound(statement) else replace(shared, claim=name)

    def _mayBeBound(
        self, statement: Statement, source: str, lines: Iterable[AuthorizedKey]
    ) -> bool:
        """Return whether any of some keys may have made a knock that is bound to its address."""
        return isOwn(statement, source) or any(
            findTarget(line, self.door, statement, source).isAllowed() for line in lines
        )

    def _checkCheaply(self, sealed: Sealed, source: str, now: float, today: float) -> None:
        self._checkTime(sealed.statement, now, today)
        if not (isOwn(sealed.statement, source) or self.judge.hints.mayBindElsewhere()):
            raise SealRefused(explainBound(sealed.statement.bind))
        if not isWellFormed(sealed.signature):
            raise SealRefused(
                "its seal is bad: malformed, or made by a security key that was not touched"
            )

    def _checkTime(self, statement: Statement, now: float, today: float) -> None:
        behind = today - statement.stamp / 1000
        if abs(behind) > self.door.clockSkew:
            raise SealRefused(explainSkew(behind, self.door.clockSkew))
        if reason := self.judge.seen.findRefusal(statement.stamp, now, today, self.door.clockSkew):
            raise SealRefused(reason)
