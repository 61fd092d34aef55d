"""The lock that sealed knocks open. Pure, like the others."""

from collections.abc import Collection
from math import inf

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
from pkdoors.knocks.signatures import isGood, isWellFormed
from pkdoors.locks._progress import ProgressTable
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed._queue import KnockKey, Waiting
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex, Lines
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.model.doors import Door

MAX_PENDING = 16_384
"""Datagrams that are remembered until every port has had them, about 8 MB. At 100,000 junk ones a
second on one port an honest one is forgotten after 0.16 s; its copies come within a millisecond."""
ROUNDS = 3
"""How often a client sends its knock to each port; see L{pkdoors.client._plan}. More copies do not
count."""
FAR = 24 * 3600.0
"""Seconds; clocks that differ by more are told so without a number."""

_JUDGED = 0
"""The stage of datagrams whose case is closed. Others are at the number of ports that had them."""
_NO_PROGRESS = (_JUDGED, -inf, 0)
"""The place of a new one."""
_COPY = 1 << 32
"""One datagram, in the note of a place; below are the ports that had it, a bit each."""
_PORTS = _COPY - 1


class SealedLock:
    """
    Opens to a datagram with a good seal that came to every port of the door's sequence.

    The same datagram, in any order, any number of times, with anything in between. Only when every
    port had it from one source, its signature is checked, once, or waits for that. Whatever others
    send, also in that source's name, takes nothing away from it.

    @param hints: finds the keys that may knock.
    @param seen: the knocks that opened something.
    @param checks: what all sealed locks share.
    @param known: the names of all doors with such locks: a knock for one of the others, on a port
        that they share, is none of this one's business.
    """

    def __init__(
        self,
        door: Door,
        hints: HintIndex,
        seen: ReplayCache,
        checks: SealChecks,
        known: Collection[str] = (),
    ) -> None:
        self.door = door
        self._hints = hints
        self._known = known
        self._beginning = makeBeginning(door.name)
        self._bits = {port: 1 << at for at, port in enumerate(sorted(set(door.sequence.ports)))}
        self._all = (1 << len(self._bits)) - 1
        self._progress: ProgressTable[KnockKey] = ProgressTable(len(self._bits) + 1, MAX_PENDING)
        self._seen = seen
        self._checks = checks

    def __len__(self) -> int:
        """How many datagrams take memory."""
        return len(self._progress) + self._checks.count(self)

    def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """See L{pkdoors.locks.lock.Lock.knock}."""
        source, port, datagram, _ = knock
        if not datagram.startswith(PREFIX):
            return None
        # SipHash, with a secret of this process: nobody can make another datagram that has it, too;
        # and if somebody could, that would open nothing, for it is the datagram that is judged.
        key = (source, hash(datagram))
        stage, ends, note = self._progress.get(key) or _NO_PROGRESS
        if now >= ends:
            # All else of it is looked at when every port had it: a flood has to be gone through
            # quickly.
            if not datagram.startswith(self._beginning):
                return self._strange(knock)
            if self._checks.countCopy(key):
                return None
            self._progress.sweep(now)
            ends, note = now + self.door.knockTimeout, 0
        elif stage == _JUDGED:
            return None
        note = (note | self._bits[port]) + _COPY
        ports = note & _PORTS
        if ports != self._all:
            self._progress.put(key, ports.bit_count(), ends, note)
            return None
        return self._complete(knock, key, ends, note // _COPY, now, today)

    def _strange(self, knock: Knock) -> Refusal | None:
        """What is wrong with it; nothing where it is for another door that shares the port."""
        # Not parsed for this: under a flood each door would do that with what is another's.
        name = knock.datagram[len(PREFIX) :].partition(b" ")[0].decode(errors="replace")
        if name in self._known:
            return None
        try:
            door = parseSealed(knock.datagram).statement.door
        except SealError as error:
            return self._refuse(knock.source, str(error))
        return self._refuse(
            knock.source,
            f"it is for a door {door!r}, and this one is called {self.door.name}: "
            f"knock with --door {self.door.name}",
        )

    def _complete(
        self, knock: Knock, key: KnockKey, ends: float, spent: int, now: float, today: float
    ) -> Request | Refusal | None:
        """Every port had it: refuse what can be refused cheaply, and have the rest checked."""
        try:
            sealed = parseSealed(knock.datagram)
            self._checkCheaply(sealed, knock.source, now, today)
        except (_Refused, SealError) as reason:
            self._close(key, ends)
            return self._refuse(knock.source, str(reason))
        self._progress.forget(key)
        most = ROUNDS * len(self._bits)
        waiting = Waiting(self, key, sealed, knock.source, ends, spent, most)
        return self._checks.submit(waiting, now, today)

    def _close(self, key: KnockKey, ends: float) -> None:
        """Its copies are ignored from now on."""
        self._progress.put(key, _JUDGED, ends, self._all)

    def examine(self, waiting: Waiting, now: float, today: float) -> Request | Refusal:
        """Check the signature, see L{pkdoors.locks.sealed._queue.Examiner}."""
        self._close(waiting.key, waiting.ends)
        try:
            return self._examine(waiting.sealed, waiting.source, now, today)
        except _Refused as reason:
            return self._refuse(waiting.source, str(reason))

    def _examine(self, sealed: Sealed, source: str, now: float, today: float) -> Request:
        """Nothing of what it claims is believed before its seal."""
        statement = sealed.statement
        self._checkTime(statement, now, today)  # it may have waited
        signer = self._signer(sealed, self._hinted(statement), source, today)
        self._seen.add(signer.blob, statement.nonce, statement.stamp)
        asked, most = statement.seconds, signer.maxOpenFor
        return Request(self.door, source, asked, most, signer.who, statement.close)

    def _checkCheaply(self, sealed: Sealed, source: str, now: float, today: float) -> None:
        self._checkTime(sealed.statement, now, today)
        if sealed.statement.bind not in ("*", source):
            raise _Refused(f"it is bound to {sealed.statement.bind}, and comes from elsewhere")
        if not isWellFormed(sealed.signature):
            raise _Refused(
                "its seal is not good: malformed, or by a security key that was not touched"
            )

    def _checkTime(self, statement: Statement, now: float, today: float) -> None:
        behind = today - statement.stamp / 1000
        if abs(behind) > self.door.clockSkew:
            raise _Refused(_skew(behind, self.door.clockSkew))
        if reason := self._seen.refusal(statement.stamp, now, today, self.door.clockSkew):
            raise _Refused(reason)

    def _hinted(self, statement: Statement) -> list[Lines]:
        """The keys that it may be from."""
        nonce = statement.nonce
        found = self._hints.find(nonce, statement.hint)
        if not found:
            raise _Refused("its key is not known here")
        if any(self._seen.has(lines[0].blob, nonce) for lines in found):
            raise _Refused("this knock was seen before")
        return found

    def _signer(
        self, sealed: Sealed, hinted: list[Lines], source: str, today: float
    ) -> AuthorizedKey:
        """Whose seal it is. A key may be on several lines: the first that allows it counts."""
        data = makeSignedData(sealed.text, self.door.sequence)
        for lines in hinted:
            if isGood(lines[0].key, sealed.signature, data):
                return self._allowed(lines, sealed.statement, source, today)
        raise _Refused("its seal is not good: made by another key, or for another sequence")

    def _allowed(
        self, lines: Lines, statement: Statement, source: str, today: float
    ) -> AuthorizedKey:
        if self._seen.isForgotten(lines[0].blob, statement.stamp):
            raise _Refused("this key has opened too much meanwhile: a new knock will do")
        reasons = [each.refusal(self.door.name, source, today) for each in lines]
        if all(reasons):
            raise _Refused(reasons[0])
        return lines[reasons.index("")]

    def _refuse(self, source: str, reason: str) -> Refusal:
        return Refusal(self.door, source, reason)


class _Refused(Exception):
    """Why a datagram opens nothing."""


def _skew(behind: float, allowed: float) -> str:
    way, reason = (
        ("behind", "the knocker's clock is behind, or the knock is old")
        if behind > 0
        else ("ahead of", "this host's clock is behind, or the knocker's is ahead")
    )
    far = "more than a day" if abs(behind) > FAR else f"{abs(behind):.0f} s"
    return f"its time is {far} {way} this host's, {allowed:g} s are allowed: {reason}"
