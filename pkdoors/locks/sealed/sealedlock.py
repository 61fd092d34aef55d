"""The lock of a door that opens to sealed knocks. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from math import inf

from pkdoors.errors import BadValue
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import (
    PREFIX,
    Sealed,
    SealError,
    Statement,
    makeBeginning,
    makeSignedData,
    parseSealed,
)
from pkdoors.knocks.signatureforms import isWellFormed
from pkdoors.knocks.signatures import isGood
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed._queue import Waiting
from pkdoors.locks.sealed._targets import Target, explainBound, findTarget, isOwn
from pkdoors.locks.sealed.arrivals import ArrivalKey, Arrivals
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keytable import Lines
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal

ROUNDS = 3
"""How often a client sends its knock to each port; see L{pkdoors.client._plan}. More copies do not
count."""
FAR = 24 * 3600.0
"""Seconds. If clocks differ by more, the refusal says so without a number."""

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
    @ivar findRevoked: returns why a key may not knock, because it is revoked; empty if it may.
    """

    def __init__(
        self,
        door: Door,
        hints: HintIndex,
        seen: ReplayCache,
        checks: SealChecks,
        arrivals: Arrivals,
    ) -> None:
        self.door = door
        self._hints = hints
        self._beginning = makeBeginning(door.name)
        self._bits = {port: 1 << at for at, port in enumerate(sorted(set(door.sequence.ports)))}
        self._all = (1 << len(self._bits)) - 1
        self._arrivals = arrivals
        self.findRevoked: Callable[[AuthorizedKey], str] = lambda key: ""
        self._number = arrivals.newNumber()
        self._seen = seen
        self._checks = checks
        self.tries = arrivals.tries

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
        except (_Refused, SealError) as reason:
            self._close(key, ends)
            return self.refuse(knock.source, str(reason))
        self._arrivals.forget(key)
        most = ROUNDS * len(self._bits)
        isLong = not sealed.certificate and self._hints.needsSearch(sealed.statement)
        waiting = Waiting(self, key, sealed, knock.source, ends, spent, most, isLong)
        return self._checks.submit(waiting, now, today)

    def _close(self, key: ArrivalKey, ends: float) -> None:
        """Ignore the copies of a datagram from now on."""
        self._arrivals.put(key, _JUDGED, ends, self._all)

    def examine(self, waiting: Waiting, now: float, today: float) -> Request | Refusal | None:
        """Check the signature of a knock, see L{pkdoors.locks.sealed._queue.Examiner}."""
        statement, hinted = waiting.sealed.statement, None
        if waiting.needsSearch:
            waiting.search = waiting.search or self._hints.search(statement)
            hinted = next(waiting.search)
            if hinted is None:
                return None
        elif not waiting.sealed.certificate:
            hinted = self._hints.findQuickly(statement)
        self._close(waiting.key, waiting.ends)
        try:
            return self._examine(waiting, hinted, now, today)
        except _Refused as reason:
            return Refusal(self.door, waiting.source, str(reason), reason.who)

    def _examine(
        self, waiting: Waiting, found: list[Lines] | None, now: float, today: float
    ) -> Request:
        """Return the request of a knock with a good seal. Its claims are worthless until then."""
        sealed, source = waiting.sealed, waiting.source
        statement = sealed.statement
        self._checkTime(statement, now, today)  # again, as it may have waited
        hinted = self._checkHinted(sealed, found, today)
        if not self._mayBeBound(statement, source, chain(*hinted)):  # before the costly check
            raise _Refused(explainBound(statement.bind))
        target = self._findTarget(sealed, hinted, source, today)
        signer = target.line
        self._seen.add(signer.blob, statement.nonce, statement.stamp, signer.authority)
        if waiting.needsSearch:
            self._hints.remember(signer.blob)
        wanted = str(target.address if statement.close else target.source)
        sender = source if wanted != source else ""
        return Request(
            self.door,
            wanted,
            statement.seconds,
            signer.maxOpenFor,
            replace(signer.who, address=sender),
            statement.close,
        )

    def _mayBeBound(
        self, statement: Statement, source: str, lines: Iterable[AuthorizedKey]
    ) -> bool:
        """Return whether any of some keys may have made a knock that is bound to its address."""
        return isOwn(statement, source) or any(
            findTarget(line, self.door, statement, source).isAllowed() for line in lines
        )

    def _checkCheaply(self, sealed: Sealed, source: str, now: float, today: float) -> None:
        self._checkTime(sealed.statement, now, today)
        if not (isOwn(sealed.statement, source) or self._hints.mayBindElsewhere()):
            raise _Refused(explainBound(sealed.statement.bind))
        if not isWellFormed(sealed.signature):
            raise _Refused(
                "its seal is bad: malformed, or made by a security key that was not touched"
            )

    def _checkTime(self, statement: Statement, now: float, today: float) -> None:
        behind = today - statement.stamp / 1000
        if abs(behind) > self.door.clockSkew:
            raise _Refused(_explainSkew(behind, self.door.clockSkew))
        if reason := self._seen.findRefusal(statement.stamp, now, today, self.door.clockSkew):
            raise _Refused(reason)

    def _checkHinted(self, sealed: Sealed, hinted: list[Lines] | None, today: float) -> list[Lines]:
        """
        Return the keys that may have made the seal.

        @param hinted: those that the hint means; L{None} for a knock with a certificate.
        """
        keys = self._findCertified(sealed, today) if hinted is None else hinted
        if not keys:
            raise _Refused("its key is not known here")
        nonce = sealed.statement.nonce
        if any(self._seen.has(lines[0].blob, nonce, lines[0].authority) for lines in keys):
            raise _Refused("this knock was seen before")
        return keys

    def _findCertified(self, sealed: Sealed, today: float) -> list[Lines]:
        """Return the key that a real certificate in the knock certifies."""
        try:
            return [self._hints.certify(sealed, today)]
        except BadValue as error:
            raise _Refused(str(error)) from error

    def _findTarget(self, sealed: Sealed, hinted: list[Lines], source: str, today: float) -> Target:
        """Return for whom the seal opens, by the first line of its key that allows the knock."""
        data = makeSignedData(sealed.text, self.door.sequence, sealed.certificate)
        for lines in hinted:
            if isGood(lines[0].key, sealed.signature, data):
                if flaw := lines[0].findSealFlaw(sealed.signature):
                    raise _Refused(flaw, lines[0].who)
                return self._chooseLine(lines, sealed.statement, source, today)
        raise _Refused("its seal is bad: made by another key, or for another sequence")

    def _chooseLine(self, lines: Lines, statement: Statement, source: str, today: float) -> Target:
        who = lines[0].who
        if self._seen.isForgotten(lines[0].blob, statement.stamp, lines[0].authority):
            raise _Refused("this key has opened too often meanwhile: knock again", who)
        if reason := self.findRevoked(lines[0]):
            raise _Refused(reason, who)
        targets = [findTarget(line, self.door, statement, source) for line in lines]
        reasons = [target.findRefusal(self.door.name, today) for target in targets]
        if all(reasons):
            raise _Refused(reasons[0], who)
        return targets[reasons.index("")]


class _Refused(Exception):
    """
    A datagram opens nothing. The message says why.

    @ivar who: see L{Refusal}.
    """

    def __init__(self, reason: str, who: Principal = NOBODY) -> None:
        super().__init__(reason)
        self.who = who


def _explainSkew(behind: float, allowed: float) -> str:
    direction, reason = (
        ("behind", "the knocker's clock is behind, or the knock is old")
        if behind > 0
        else ("ahead of", "this host's clock is behind, or the knocker's is ahead")
    )
    far = "more than a day" if abs(behind) > FAR else f"{abs(behind):.0f} s"
    return f"its time is {far} {direction} this host's, {allowed:g} s are allowed: {reason}"
