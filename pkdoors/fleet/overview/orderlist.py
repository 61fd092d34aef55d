"""
The orders in the engine: who gave them, and what follows from them. Pure.

This is for people to look at, and judges as each host's daemon does. What a host obeys, its own
daemon decides, with what it remembers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pkdoors.fleet.engine import Entry, orderOf
from pkdoors.fleet.streams import ORDER
from pkdoors.knocks.order import BAN, Order
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.orders import LATER, REFUSED, OrderJudge, Verdict
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.principal import NOBODY, Principal


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """
    An order, or what somebody wrote in the place of one.

    @ivar order: L{None} if it is not an order.
    @ivar hosts: the hosts at which it was given.
    @ivar who: the operator who signed it; L{NOBODY} if none did.
    @ivar fault: why the hosts refuse it; empty if they do not.
    @ivar isInForce: whether it is a ban that no later order has lifted.
    """

    order: Order | None
    hosts: tuple[str, ...]
    who: Principal = NOBODY
    fault: str = ""
    isInForce: bool = False


def listOrders(
    entries: Mapping[str, Iterable[Entry]],
    fleet: str,
    operators: Sequence[AuthorizedKey],
    now: float,
) -> list[ShownOrder]:
    """
    Return all orders as they came in, the oldest first; one that was given at several hosts is one.

    @param entries: by host.
    @param now: the time of day.
    """
    found = [(entry, host) for host, given in entries.items() for entry in given]
    places: dict[bytes, list[str]] = {}
    times: dict[bytes, float] = {}
    for entry, host in sorted(found, key=lambda each: orderOf(each[0].id)):
        data = entry.fields.get(ORDER, b"")
        places.setdefault(data, []).append(host)
        times.setdefault(data, entry.time)
    memory = FleetMemory()
    judge = OrderJudge(fleet, lambda: operators, memory)
    verdicts = {data: _judge(judge, data, times[data], now) for data in places}
    return [
        ShownOrder(
            verdict.order,
            tuple(dict.fromkeys(places[data])),
            verdict.who,
            verdict.reason if verdict.result in (REFUSED, LATER) else "",
            _isInForce(verdict, memory),
        )
        for data, verdict in verdicts.items()
    ]


def _judge(judge: OrderJudge, data: bytes, time: float, now: float) -> Verdict:
    """
    Judge an order as the hosts did when it came, or do now if it was too early.

    @param time: when the engine took it in.
    """
    verdict = judge.judge(data, time, time)
    return judge.judge(data, now, now) if verdict.result == LATER else verdict


def _isInForce(verdict: Verdict, memory: FleetMemory) -> bool:
    order = verdict.order
    if order is None or order.verb != BAN or verdict.result == REFUSED:
        return False
    return memory.bans.findBan(order.what) == order.stamp
