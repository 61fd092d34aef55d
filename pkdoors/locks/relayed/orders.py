"""Judges the orders of a fleet's operators. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf

from pkdoors.errors import BadValue
from pkdoors.knocks.order import (
    BAN,
    CLOSE,
    EVERYBODY,
    UNBAN,
    Order,
    OrderError,
    SealedOrder,
    makeOrderData,
    parseOrder,
)
from pkdoors.knocks.seal import hintOf
from pkdoors.knocks.signatureforms import fitsKey
from pkdoors.knocks.signatures import isGood
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keytable import Lines, groupByKey
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.model.doors import Opening
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.model.sources import Source, isWithin, readSource
from pkdoors.util.durations import formatDuration, formatLength

AHEAD = 60.0
"""Seconds by which the clock of an operator may be ahead."""
MAX_OPERATORS = 64
"""Keys of operators that count, the first ones: the hint of each is computed for each order."""

DONE, NOTHING, REFUSED, LATER = "done", "nothing", "refused", "later"
"""The results of orders. The last is for an order that cannot count yet, as its time is ahead of
this host's: if this host's clock is wrong, the order must be judged again when it is right."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What becomes of an order.

    @ivar result: one of the words above.
    @ivar reason: why it does nothing, or is refused, as half a sentence for the log; empty if
        nobody needs to know.
    @ivar order: the order; L{None} if it is malformed.
    @ivar who: the operator who gave it, if it is genuine.
    @ivar before: it ends openings that began before this time of day, in seconds since 1970.
    """

    result: str
    reason: str = ""
    order: Order | None = None
    who: Principal = NOBODY
    before: float = 0.0

    def matches(self, opening: Opening) -> bool:
        """Return whether it ends an opening, if that began in time."""
        if self.result != DONE or self.order is None or self.order.verb == UNBAN:
            return False
        if self.order.verb == BAN:
            return self.order.what in opening.who.keys
        closed = _readSource(self.order.what)
        return closed is None or _overlap(closed, opening.source)


class OrderJudge:
    """
    Judges orders, and keeps those that count.

    @param fleet: the name of the fleet.
    @param operators: returns the keys that can give orders, as they are now.
    """

    def __init__(
        self, fleet: str, operators: Callable[[], Sequence[AuthorizedKey]], memory: FleetMemory
    ) -> None:
        self._fleet = fleet
        self._operators = operators
        self._memory = memory

    def judge(self, data: bytes, now: float, today: float) -> Verdict:
        """
        Judge a sealed order, and note it if it counts. The caller then ends the openings that match
        the verdict.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        """
        try:
            sealed = parseOrder(data)
        except OrderError as error:
            return Verdict(REFUSED, str(error))
        order, bans = sealed.order, self._memory.bans
        if order.fleet != self._fleet:
            return Verdict(REFUSED, f"it is for the fleet {order.fleet!r}", order)
        if bans.hasSeen(sealed):
            return Verdict(NOTHING, "", order)
        lines = self._findSigner(sealed)
        if not lines:
            return Verdict(REFUSED, "no operator of the fleet has signed it", order)
        operator, flaws = lines[0], [self._findFlaw(line, order, today) for line in lines]
        if all(flaws):
            return Verdict(REFUSED, flaws[0], order, operator.who)
        ahead = order.stamp / 1000 - today
        if ahead > AHEAD:
            return Verdict(LATER, _explainAhead(ahead), order, operator.who)
        return self._accept(sealed, operator.who, now, today)

    def _findSigner(self, sealed: SealedOrder) -> Lines:
        """Return the lines of the operator's key that has signed an order; none if none has."""
        data, nonce = makeOrderData(sealed.text), sealed.order.nonce
        for lines in groupByKey(listOperators(self._operators())).values():
            key = lines[0]
            if (
                hintOf(key.blob, nonce) == sealed.hint
                and fitsKey(key.blob, sealed.signature)
                and isGood(key.key, sealed.signature, data)
            ):
                return lines
        return ()

    def _findFlaw(self, operator: AuthorizedKey, order: Order, today: float) -> str:
        """
        Return why the key of an operator may not give a genuine order; empty if it may.

        The owner of a key that has expired, or that is banned, can put any time into an order. An
        order that closes counts if it says that it was given before: it may be a real one that
        arrives late, and it opens nothing. One that takes a ban back could open something.
        """
        banned, given = self._memory.bans.findBan(operator.who.key), order.stamp / 1000
        if banned and (order.verb == UNBAN or order.stamp >= banned):
            remedy = "sign with the key of another operator"
            return f"the key of {operator} is banned in the whole fleet: {remedy}"
        return operator.findExpiry(max(given, today) if order.verb == UNBAN else given)

    def _accept(self, sealed: SealedOrder, who: Principal, now: float, today: float) -> Verdict:
        order, memory = sealed.order, self._memory
        if order.verb == CLOSE:  # first, as an order that was seen does nothing
            memory.tombstones.add(ALL, _readSource(order.what), ALL, order.stamp, now, today)
        try:
            isNew = memory.bans.accept(sealed)
        except BadValue as error:
            return Verdict(REFUSED, str(error), order, who)
        if not isNew:
            return Verdict(NOTHING, f"a newer order about {order.what} is known", order, who)
        return Verdict(DONE, "", order, who, inf if order.verb == BAN else order.stamp / 1000)


def listOperators(keys: Iterable[AuthorizedKey]) -> list[AuthorizedKey]:
    """Return those of some keys that can give orders."""
    return [key for key in keys if not findOperatorFlaw(key)][:MAX_OPERATORS]


def findOperatorFlaw(key: AuthorizedKey) -> str:
    """
    Return why a line of the file of operators gives no right to give orders; empty if it does. An
    option that an order cannot keep to would not restrict the key as its author thinks.
    """
    if key.isAuthority:
        return f"{key} is an authority, but orders are signed by plain keys: remove cert-authority"
    options = {
        "from": key.sources is not None,
        "doors": key.doors is not None,
        "max-open-for": bool(key.maxOpenFor),
        "prefix": key.hasPrefix,
        "for-others": key.isForOthers,
    }
    for name, isSet in options.items():
        if isSet:
            return f"the key of {key} has {name}, which an order cannot keep to: remove it"
    return ""


def _explainAhead(ahead: float) -> str:
    far = "more than a day" if ahead > 24 * 3600 else formatLength(ahead)
    return (
        f"its time is {far} ahead of this host's, at most {formatDuration(AHEAD)} is allowed: "
        "this host's clock is behind, or the operator's is ahead"
    )


def _readSource(what: str) -> Source | None:
    """Return for whom an order closes; L{None} for everybody."""
    return None if what == EVERYBODY else readSource(what)


def _overlap(one: Source, other: Source) -> bool:
    return isWithin(one, other) or isWithin(other, one)
