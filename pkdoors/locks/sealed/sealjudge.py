"""What each sealed knock for a door must pass, whichever way it has reached this host. Pure."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from pkdoors.errors import BadValue
from pkdoors.knocks.seal import Sealed, Statement, makeSignedData
from pkdoors.knocks.signatures import isGood
from pkdoors.locks.lock import Request
from pkdoors.locks.sealed._targets import ANY, Target, findTarget
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keytable import Lines
from pkdoors.locks.sealed.replays import ReplayCache, nameKey
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.durations import formatDuration, formatLength

FAR = 24 * 3600.0
"""Seconds. If clocks differ by more, the refusal says so without a number."""

if TYPE_CHECKING:
    from pkdoors.locks.relayed.memory import FleetMemory


class SealRefused(Exception):
    """
    A sealed knock opens nothing. The message says why.

    @ivar who: see L{pkdoors.locks.lock.Refusal}.
    """

    def __init__(self, reason: str, who: Principal = NOBODY) -> None:
        super().__init__(reason)
        self.who = who


class SealJudge:
    """
    Judges the sealed knocks for one door: those over UDP, and those that a fleet passes on.

    @param hints: finds the keys that may knock.
    @param seen: the knocks that were seen.
    @ivar findRevoked: returns why a key may not knock, because it is revoked; empty if it may.
    @ivar findMemory: returns what this host knows of its fleet; L{None} without a fleet.
    """

    def __init__(self, door: Door, hints: HintIndex, seen: ReplayCache) -> None:
        self.door = door
        self.hints = hints
        self.seen = seen
        self.findRevoked: Callable[[AuthorizedKey], str] = lambda key: ""
        self.findMemory: Callable[[], FleetMemory | None] = lambda: None

    @property
    def memory(self) -> "FleetMemory | None":
        """What this host knows of its fleet; L{None} if the door is not one of a fleet."""
        return self.findMemory() if self.door.fleet else None

    def findKeys(self, sealed: Sealed, hinted: list[Lines] | None, today: float) -> list[Lines]:
        """
        Return the keys that may have made a seal.

        @param hinted: those that its hint means; L{None} for a knock with a certificate.
        @raise SealRefused: there are none.
        """
        keys = self._findCertified(sealed, today) if hinted is None else hinted
        if not keys:
            raise SealRefused("its key is not known here")
        return keys

    def _findCertified(self, sealed: Sealed, today: float) -> list[Lines]:
        """Return the key that a real certificate in the knock certifies."""
        try:
            return [self.hints.certify(sealed, today)]
        except BadValue as error:
            raise SealRefused(str(error)) from error

    def hasSeen(self, keys: list[Lines], nonce: str) -> bool:
        """Return whether a knock of one of some keys is remembered."""
        return any(self.seen.has(lines[0].blob, nonce, lines[0].authority) for lines in keys)

    def hasForgotten(self, lines: Lines, stamp: int) -> bool:
        """Return whether a knock of a key may be one that is no longer remembered."""
        return self.seen.isForgotten(lines[0].blob, stamp, lines[0].authority)

    def remember(self, line: AuthorizedKey, statement: Statement) -> None:
        """Remember a knock, whose seal must be good."""
        self.seen.add(line.blob, statement.nonce, statement.stamp, line.authority)

    def findSigner(self, sealed: Sealed, keys: list[Lines]) -> Lines:
        """
        Return the lines of the key that made a seal. This is the costly check; what a knock claims
        is worthless until then.

        @raise SealRefused: none of the keys did.
        """
        data = makeSignedData(sealed.text, self.door.sequence, sealed.certificate)
        for lines in keys:
            if isGood(lines[0].key, sealed.signature, data):
                return lines
        raise SealRefused("its seal is bad: made by another key, or for another sequence")

    def chooseTarget(
        self,
        lines: Lines,
        sealed: Sealed,
        source: str,
        now: float,
        today: float,
        isKnown: bool = False,
    ) -> Target:
        """
        Return for whom a good seal opens, by the first line of its key that allows the knock.

        @param source: the address that the knock comes from, or that counts as that.
        @param isKnown: whether it was seen before, perhaps by an earlier daemon.
        @raise SealRefused: no line allows it, the key is revoked, or somebody has closed the door
            since the knock was made.
        """
        who, statement = lines[0].who, sealed.statement
        if reason := lines[0].findSealFlaw(sealed.signature) or self.findRevoked(lines[0]):
            raise SealRefused(reason, who)
        targets = [findTarget(line, self.door, statement, source) for line in lines]
        reasons = [target.findRefusal(self.door.name, today) for target in targets]
        if all(reasons):
            raise SealRefused(reasons[0], who)
        target = targets[reasons.index("")]
        if reason := self._findClosed(target, statement, now, today, isKnown):
            raise SealRefused(reason, who)
        return target

    def _findClosed(
        self, target: Target, statement: Statement, now: float, today: float, isKnown: bool
    ) -> str:
        """
        Return why a seal opens nothing, because somebody has closed the door since. An earlier
        daemon may have heard of it as long before its stamp as clocks may differ.
        """
        memory, line = self.memory, target.line
        if memory is None:
            return ""
        first = min(now, now - today + statement.stamp / 1000 - self.door.clockSkew)
        name = nameClaim(line, statement.nonce)
        heard = memory.judged.hear(name, now, first if isKnown else None)
        if statement.close:
            return ""
        return memory.tombstones.findRefusal(
            self.door.name,
            target.source,
            line.who.key,
            statement.stamp,
            now,
            today,
            heard,
        )

    def grant(self, target: Target, statement: Statement) -> float:
        """Return the seconds for which a knock opens."""
        return min(
            self.door.grant(statement.seconds), target.line.maxOpenFor or self.door.maxOpenFor
        )

    def makeRequest(self, target: Target, statement: Statement, source: str) -> Request:
        """
        Return the request of a knock.

        @param source: see L{chooseTarget}.
        """
        line = target.line
        wanted = str(target.address if statement.close else target.source)
        sender = source if wanted != source else ""
        return Request(
            self.door,
            wanted,
            statement.seconds,
            line.maxOpenFor,
            replace(line.who, address=sender),
            statement.close,
        )

    def noteClosed(self, target: Target, statement: Statement, now: float, today: float) -> bool:
        """
        At a door of a fleet, note that a knock asks to close, so nothing from before opens any
        more. Return whether that is new.
        """
        if self.memory is None:
            return False
        name, key = self.door.name, target.line.who.key
        return self.memory.tombstones.add(name, target.address, key, statement.stamp, now, today)


def isBound(statement: Statement) -> bool:
    """Return whether a statement names the address that the knock is for."""
    return statement.bind != ANY


def nameClaim(line: AuthorizedKey, nonce: str) -> str:
    """Return the name under which one host of a fleet claims a knock: 64 hex digits."""
    return sha256(f"{nameKey(line.blob, line.authority)}|{nonce}".encode()).hexdigest()


def explainSkew(behind: float, allowed: float) -> str:
    """
    Return why the time of a knock is refused.

    @param behind: how many seconds it is behind this host's.
    """
    direction, reason = (
        ("behind", "the knocker's clock is behind, or the knock is old")
        if behind > 0
        else ("ahead of", "this host's clock is behind, or the knocker's is ahead")
    )
    far = "more than a day" if abs(behind) > FAR else formatLength(abs(behind))
    most = formatDuration(allowed)
    return f"its time is {far} {direction} this host's, at most {most} is allowed: {reason}"
