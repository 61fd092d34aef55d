"""Gives signed orders to this host, and then to the others of its fleet."""

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pkdoors.commands.fleet._place import orExit, runWithEngine
from pkdoors.errors import AskError, BadValue, NoDaemon
from pkdoors.knocks.order import EVERYBODY
from pkdoors.util.durations import formatDuration
from pkdoors.util.output import complain, tell

if TYPE_CHECKING:  # they load much
    from pkdoors.commands.fleet._sending import Spread
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.fleet.engine import IEngine

OLD = 60.0
"""Seconds after which an order that is sent counts as old."""


def give(orders: Sequence[bytes], fleet: "FleetConfig", options: Namespace) -> None:
    """Give orders to this host, and to the others."""
    from pkdoors.commands.fleet._sending import complainOfSpread, describeSpread, giveToFleet

    program = options.parser.prog
    for data in orders:
        _giveHere(data, fleet, options)

    async def work(engine: "IEngine", reactor: Any) -> "Spread":
        return await giveToFleet(engine, reactor, fleet, orders)

    try:
        spread = runWithEngine(options, fleet, work)
    except SystemExit:
        complain(program, "the other hosts did not get it: send it again when the engine is back")
        raise
    tell(*describeSpread(spread))
    complain(program, *complainOfSpread(spread))
    if spread.unread or spread.deaf:
        raise SystemExit(1)


def _giveHere(data: bytes, fleet: "FleetConfig", options: Namespace) -> None:
    """Give an order to this host. If that refuses it, exit with status 1."""
    from pkdoors.commands.fleet._place import readOperators
    from pkdoors.commands.fleet._sending import giveToDaemon

    program = options.parser.prog
    who = orExit(options, lambda: _checkSigner(data, fleet, readOperators(fleet)))
    tell(f"{_describeOrder(data)}, signed by {who}")
    try:
        tell(giveToDaemon(data, options.conf))
    except NoDaemon as error:
        why = str(error).partition(": ")[0]
        complain(program, f"this host's daemon gets it when it runs with a fleet door: {why}")
    except AskError as error:
        complain(program, f"this host refuses it, so it was not sent: {error}")
        raise SystemExit(1) from error


def _checkSigner(data: bytes, fleet: "FleetConfig", operators: Any) -> str:
    """
    Return who signed an order: this host would find out, too, but the answer here is plainer.

    @raise BadValue: it would be refused by every host.
    """
    import time

    from pkdoors.fleet.overview.sentences import shorten
    from pkdoors.locks.relayed.memory import FleetMemory
    from pkdoors.locks.relayed.orders import REFUSED, OrderJudge

    now = time.time()
    verdict = OrderJudge(fleet.name, lambda: operators, FleetMemory()).judge(data, now, now)
    if verdict.result == REFUSED:
        raise BadValue(f"every host would refuse this order: {verdict.reason}")
    return verdict.who.name or shorten(verdict.who.key)


def _describeOrder(data: bytes) -> str:
    """Return what an order says, and how old it is, if that matters."""
    import time

    from pkdoors.knocks.order import parseOrder

    order = parseOrder(data).order
    what = "all addresses" if order.what == EVERYBODY else order.what
    age = time.time() - order.stamp / 1000
    old = f", {formatDuration(round(age))} old" if age > OLD else ""
    return f"{order.verb} {what}{old}"
