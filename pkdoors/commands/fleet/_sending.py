"""Gives an order to this host first, and then to the fleet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pkdoors.errors import AskError

if TYPE_CHECKING:  # they load much
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.fleet.engine import IEngine

PATIENCE = 8.0
"""Seconds to wait until the other hosts report that they have read an order. They report 2 seconds
after something changes."""
LOOK = 0.5
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What the daemon answers to an order: a word, and half a sentence why."""

    result: str
    reason: str = ""


class Spread(NamedTuple):
    """
    Which hosts have an order.

    @ivar read: those that have read it.
    @ivar unread: those that are up, and have not read it yet.
    @ivar deaf: those that are up, and do not read the orders of this host.
    @ivar down: those that are down.
    """

    read: list[str]
    unread: list[str]
    deaf: list[str]
    down: list[str]


def giveToDaemon(data: bytes, conf: str | None) -> str:
    """
    Give an order to this host's daemon. Return what it makes of it, as a sentence.

    @param conf: the daemon's configuration file; L{None} for the usual one.
    @raise NoDaemon: it does not run, or has no fleet door.
    @raise AskError: it refuses the order.
    """
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.location import findFleetSocket
    from pkdoors.adminclient.responses import readRecord
    from pkdoors.locks.relayed.orders import DONE, LATER, REFUSED

    path = findFleetSocket(conf)
    answer = readRecord(OutcomeRecord, AdminClient(path).giveOrder(data))
    if answer.result == REFUSED:
        raise AskError(answer.reason)
    if answer.result == DONE:
        return "this host obeys"
    if answer.result == LATER:
        return f"this host obeys later: {answer.reason}"
    return f"nothing changes on this host: {answer.reason or 'it knew this order already'}"


async def giveToFleet(
    engine: "IEngine",
    reactor: Any,
    fleet: "FleetConfig",
    orders: Iterable[bytes],
    patience: float = PATIENCE,
) -> Spread:
    """
    Write orders into this host's stream, and wait until the others report that they have read the
    last one.

    @raise EngineError: the engine is away, or does not take it.
    """
    from twisted.internet.task import deferLater

    from pkdoors.fleet.engine import BEGINNING, orderOf
    from pkdoors.fleet.overview.survey import readPresences
    from pkdoors.fleet.streams import ORDER, Streams

    stream = Streams(fleet.name).orders(fleet.host)
    position = orderOf(BEGINNING)
    for data in orders:
        position = orderOf(await engine.append(stream, {ORDER: data}))
    others = [host for host in fleet.hosts if host != fleet.host]
    end = reactor.seconds() + patience
    while True:
        found = await readPresences(engine, fleet.name, others)
        at = {host: report.findPosition(stream, fleet.host) for host, report in found.items()}
        deaf = [host for host, end in at.items() if end is None]
        read = [host for host, end in at.items() if end is not None and orderOf(end) >= position]
        unread = [host for host in found if host not in read and host not in deaf]
        if not unread or reactor.seconds() >= end:
            return Spread(read, unread, deaf, [host for host in others if host not in found])
        await deferLater(reactor, LOOK)


def describeSpread(spread: Spread) -> Iterable[str]:
    """Return a sentence for each group of hosts that have got an order."""
    if spread.read:
        yield f"{', '.join(spread.read)}: read it"
    if not any(spread):
        yield "this fleet has no other host"


def complainOfSpread(spread: Spread) -> Iterable[str]:
    """Return a sentence for each group of hosts that have not."""
    if spread.unread:
        yield (
            f"not read yet by {', '.join(spread.unread)}, which may still do so: "
            "`pkdoors fleet status` shows how far behind they are"
        )
    if spread.deaf:
        yield (
            f"not read by {', '.join(spread.deaf)}: add this host to hosts in their fleet.toml, or "
            "give the order there, too"
        )
    if spread.down:
        isOne = len(spread.down) == 1
        yield (
            f"{', '.join(spread.down)} {'is down, and reads' if isOne else 'are down, and read'} "
            f"it when {'it is' if isOne else 'they are'} back"
        )
