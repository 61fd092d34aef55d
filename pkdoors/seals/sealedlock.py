"""The lock that sealed knocks open. Pure, like the others."""

from collections.abc import Callable, Collection, Iterable
from math import inf

from pkdoors.budget import Budget
from pkdoors.doors import Door
from pkdoors.knock import Knock
from pkdoors.locks import Refusal, Request
from pkdoors.seals.authorizedkeys import AuthorizedKey
from pkdoors.seals.seal import (
    PREFIX,
    Sealed,
    SealError,
    Statement,
    beginningFor,
    hintOf,
    parseSealed,
    signedData,
)
from pkdoors.seals.seen import Seen
from pkdoors.seals.signatures import isGood
from pkdoors.stages import Stages

MAX_PENDING = 16_384
"""Datagrams that are remembered until every port has had them, about 8 MB. At 100,000 junk ones a
second on one port an honest one is forgotten after 0.16 s; its copies come within a millisecond."""
CHECKS_EACH, CHECKS_TOTAL = 1000.0, 3000.0
"""Signature checks a second, for one source and in all: with Ed25519 they take 0.07 ms each, so
that the worst flood leaves the greater part of a processor. It is much more than one spoofer needs
to be kept from doing harm at 10,000 datagrams a second, because each check costs it a datagram for
every port."""

_JUDGED = 0
"""The stage of datagrams whose case is closed. Others are at the number of ports that had them."""
_NOWHERE = (_JUDGED, -inf, 0)
"""The place of a new one."""


class SealedLock:
    """
    Opens to a datagram with a good seal that came to every port of the door's sequence.

    The same datagram, in any order, any number of times, with anything in between. Only when every
    port had it from one source, its signature is looked at, once. Whatever others send, also in
    that source's name, takes nothing away from it.

    @param keys: gives the keys that may knock.
    @param seen: the knocks that opened something.
    @param known: the names of all doors with such locks: a knock for one of the others, on a port
        that they share, is none of this one's business.
    """

    def __init__(
        self,
        door: Door,
        keys: Callable[[], Iterable[AuthorizedKey]],
        seen: Seen,
        known: Collection[str] = (),
    ) -> None:
        self.door = door
        self._keys = keys
        self._known = known
        self._beginning = beginningFor(door.name)
        self._bits = {port: 1 << at for at, port in enumerate(sorted(set(door.sequence.ports)))}
        self._all = (1 << len(self._bits)) - 1
        self._stages: Stages[tuple[str, int]] = Stages(len(self._bits) + 1, MAX_PENDING)
        self._seen = seen
        self._budget = Budget(CHECKS_EACH, CHECKS_TOTAL)

    def __len__(self) -> int:
        """How many datagrams take memory."""
        return len(self._stages)

    def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """See L{pkdoors.locks.Lock.knock}."""
        source, port, datagram, _ = knock
        if not datagram.startswith(PREFIX):
            return None
        # SipHash, with a secret of this process: nobody can make another datagram that has it, too;
        # and if somebody could, that would open nothing, for it is the datagram that is judged.
        key = (source, hash(datagram))
        stage, ends, ports = self._stages.get(key) or _NOWHERE
        if now >= ends:
            # All else of it is looked at when every port had it: a flood has to be gone through
            # quickly.
            if not datagram.startswith(self._beginning):
                return self._strange(knock)
            self._stages.sweep(now)
            ends, ports = now + self.door.knockTimeout, 0
        elif stage == _JUDGED:
            return None
        ports |= self._bits[port]
        self._stages.put(key, ports.bit_count(), ends, ports)
        if ports != self._all:
            return None
        return self._judge(knock, key, ends, now, today)

    def _strange(self, knock: Knock) -> Refusal | None:
        """What is wrong with it; nothing where it is for another door that shares the port."""
        try:
            door = parseSealed(knock.datagram).statement.door
        except SealError as error:
            return self._refuse(knock, str(error))
        if door in self._known:
            return None
        return self._refuse(
            knock,
            f"it is for a door {door!r}, and this one is called {self.door.name}: "
            f"knock with --door {self.door.name}",
        )

    def _judge(
        self, knock: Knock, key: tuple[str, int], ends: float, now: float, today: float
    ) -> Request | Refusal:
        """Every port had it: its case is closed, unless there is no time for it now."""
        if self._budget.isSpent(now):  # before it is read: that takes time, too
            return self._refuse(knock, _LATER)
        result: Request | Refusal
        try:
            result = self._examine(parseSealed(knock.datagram), knock.source, now, today)
        except _Postponed as reason:  # its next copy may have more luck
            return self._refuse(knock, str(reason))
        except (_Refused, SealError) as reason:
            result = self._refuse(knock, str(reason))
        self._stages.put(key, _JUDGED, ends, self._all)
        return result

    def _examine(self, sealed: Sealed, source: str, now: float, today: float) -> Request:
        """What is cheap first, and nothing of what it claims is believed before its seal."""
        statement = sealed.statement
        self._checkTime(statement, now, today)
        if statement.bind not in ("*", source):
            raise _Refused(f"it is bound to {statement.bind}, and comes from elsewhere")
        hinted = self._hinted(statement)
        if not self._budget.spend(source, now):
            raise _Postponed(_LATER)
        signer = self._signer(sealed, hinted, source, today)
        self._seen.add(signer.blob, statement.nonce, statement.stamp)
        asked, most = statement.seconds, signer.maxOpenFor
        return Request(self.door, source, asked, most, signer.who, statement.close)

    def _checkTime(self, statement: Statement, now: float, today: float) -> None:
        behind = today - statement.stamp / 1000
        if abs(behind) > self.door.clockSkew:
            raise _Refused(_skew(behind, self.door.clockSkew))
        if self._seen.isTooOld(statement.stamp, now, today):
            raise _Refused("it is older than this daemon: a new one will do")

    def _hinted(self, statement: Statement) -> list[AuthorizedKey]:
        """The keys that it may be from: one, but for one chance in four thousand million."""
        nonce = statement.nonce
        found = [each for each in self._keys() if hintOf(each.blob, nonce) == statement.hint]
        if not found:
            raise _Refused("its key is not known here")
        if any(self._seen.has(each.blob, nonce) for each in found):
            raise _Refused("this knock was seen before")
        return found

    def _signer(
        self, sealed: Sealed, hinted: Iterable[AuthorizedKey], source: str, today: float
    ) -> AuthorizedKey:
        """Whose seal it is. A key may be on several lines: the first that allows it counts."""
        data = signedData(sealed.text, self.door.sequence)
        signers = [each for each in hinted if isGood(each.key, sealed.signature, data)]
        if not signers:
            raise _Refused("its seal is not good: made by another key, or for another sequence")
        reasons = [each.refusal(self.door.name, source, today) for each in signers]
        if all(reasons):
            raise _Refused(reasons[0])
        return signers[reasons.index("")]

    def _refuse(self, knock: Knock, reason: str) -> Refusal:
        return Refusal(self.door, knock.source, reason)


_LATER = "too many signatures to check at this moment"


class _Refused(Exception):
    """Why a datagram opens nothing."""


class _Postponed(Exception):
    """Why a datagram is not looked at now."""


def _skew(behind: float, allowed: float) -> str:
    way, reason = (
        ("behind", "the knocker's clock is behind, or the knock is old")
        if behind > 0
        else ("ahead of", "this host's clock is behind, or the knocker's is ahead")
    )
    return f"its time is {abs(behind):.0f} s {way} this host's, {allowed:g} s are allowed: {reason}"
