"""C{pkdoors fleet watch}."""

import json
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any

from pkdoors.commands.fleet._place import addFleetOptions, openEngine, orExit, readFleetOf
from pkdoors.commands.parser import Parser, asType, completeWith, parseNumber
from pkdoors.errors import BadValue, EngineError, KnockError, PkdoorsError
from pkdoors.util.backoff import BackOff
from pkdoors.util.durations import parseDuration
from pkdoors.util.output import complain, tellDrawn, tellText
from pkdoors.util.trouble import Trouble

if TYPE_CHECKING:  # they load much
    from rich.console import Console

    from pkdoors.config.fleet import FleetConfig
    from pkdoors.fleet.engine import IEngine
    from pkdoors.fleet.overview.eventlist import HostEvent

EARLIER = 20
"""Events that are shown first, from before the command began."""
USUAL_KIND, MAX_KIND = 10, 20
"""Columns for the kind of most events, and of any."""
MAX_TEXT = 500
"""Letters of one event: a host can write what it likes."""
PAUSES = 1.0, 15.0
"""Seconds between two tries to reach the engine, the first ones and the longest."""
MAX_EARLIER = 10_000
"""The most of them; a host keeps about so many."""


def addFleetWatchCommand(command: Parser) -> None:
    """Add the options."""
    addFleetOptions(command, _watch)
    command.describe(
        "One line is one event: the time by the clock of its host, the host, and what happened. "
        "Ctrl-C ends it. If the engine goes away, the command waits for it, and shows what it "
        "missed."
    )
    host = command.add_argument(
        "--host",
        metavar="NAME",
        action="append",
        help="show the events of this host only; you can give it several times",
    )
    completeWith(host, "listFleetHosts")
    some = command.add_mutually_exclusive_group()
    some.add_argument(
        "--since", metavar="TIME", type=asType(parseDuration), help="begin so long ago, 10m or 8h"
    )
    some.add_argument(
        "--last",
        metavar="NUMBER",
        type=asType(partial(parseNumber, least=0, most=MAX_EARLIER)),
        default=EARLIER,
        help=f"begin with the last so many events (default: {EARLIER})",
    )
    command.add_argument("--end", action="store_true", help="end when all of these are shown")
    command.add_argument(
        "--json", action="store_true", help="print a JSON object for each event, for programs"
    )
    command.epilog = "Example: sudo pkdoors fleet watch --since 10m"


def _watch(options: Namespace, environment: Mapping[str, str]) -> None:
    fleet = orExit(options, lambda: readFleetOf(options))
    from twisted.internet.defer import CancelledError

    from pkdoors.adminclient.console import makeConsole
    from pkdoors.commands._run import runReactor

    hosts = orExit(options, lambda: chooseHosts(fleet, options.host or ()))
    watch = FleetWatch(options, fleet, hosts, makeConsole(environment))

    async def run(reactor: Any) -> None:
        try:
            await watch.run(reactor)
        except CancelledError:  # Ctrl-C
            return
        except PkdoorsError as error:
            raise KnockError(str(error)) from error

    runReactor(options.parser, run)


def chooseHosts(fleet: "FleetConfig", named: Sequence[str]) -> Sequence[str]:
    """
    Return the hosts to watch.

    @raise BadValue: one of them is not a host of the fleet.
    """
    for host in named:
        if host not in fleet.hosts:
            raise BadValue(f"{host!r} is not a host of the fleet: use {', '.join(fleet.hosts)}")
    return named or fleet.hosts


class FleetWatch:
    """
    Prints the events of some hosts.
    """

    def __init__(
        self,
        options: Namespace,
        fleet: "FleetConfig",
        hosts: Sequence[str],
        console: "Console",
    ) -> None:
        from pkdoors.fleet.streams import Streams

        self._options = options
        self._fleet = fleet
        self._streams = {Streams(fleet.name).events(host): host for host in hosts}
        self._positions: dict[str, str] = {}
        self._console = console
        self._width = max(map(len, hosts))
        self._pauses, self._trouble = BackOff(*PAUSES), Trouble()

    async def run(self, reactor: Any) -> None:
        """
        Print until somebody ends it.

        @raise PkdoorsError: the engine cannot be reached at first.
        """
        from twisted.internet.task import deferLater

        while True:
            try:
                engine = await openEngine(reactor, self._fleet)
                try:
                    await self.watch(engine)
                    return
                finally:
                    await engine.close()
            except EngineError as error:
                if not self._positions or self._options.end:
                    raise
                if not self._trouble:
                    complain(self._options.parser.prog, f"{error}; trying again")
                self._trouble.begin(str(error))
            await deferLater(reactor, self._pauses.next())

    async def watch(self, engine: "IEngine") -> None:
        """
        Print what is there and what comes.

        @raise EngineError: the engine has gone away.
        """
        if not self._positions:
            await self.begin(engine)
        while not self._options.end:
            await self.step(engine)
            if self._trouble.end():
                complain(self._options.parser.prog, "the engine answers again")
            self._pauses.reset()

    async def begin(self, engine: "IEngine") -> None:
        """Print the events from before, and remember how far that was."""
        from pkdoors.fleet.engine import BEGINNING
        from pkdoors.fleet.overview.eventlist import readEvents

        since, last = self._options.since, self._options.last
        found: dict[str, Collection[Any]] = {}
        for stream, host in self._streams.items():
            entries = await engine.readLast(stream, MAX_EARLIER if since else max(1, last))
            self._positions[stream] = entries[0].id if entries else BEGINNING
            found[host] = entries
        events = readEvents(found)
        if since:
            start = await _findStart(engine, since)
            events = [event for event in events if int(event.position.split("-")[0]) >= start]
        else:
            events = events[-last:] if last else []
        self._print(events)

    async def step(self, engine: "IEngine") -> None:
        """Wait for events, and print them."""
        from pkdoors.fleet.overview.eventlist import readEvents

        found = await engine.follow(self._positions)
        for stream, entries in found.items():
            self._positions[stream] = entries[-1].id
        self._print(readEvents({self._streams[name]: found[name] for name in found}))

    def _print(self, events: "Sequence[HostEvent]") -> None:
        for event in events:
            if self._options.json:
                tellText(json.dumps({**event.fields, "host": event.host}) + "\n")
            else:
                self._printLine(event)

    def _printLine(self, found: "HostEvent") -> None:
        from rich.table import Table
        from rich.text import Text

        from pkdoors.adminclient.watchview import STYLES, describeEvent
        from pkdoors.fleet.overview.sentences import cut

        event = found.event
        kind = cut(event.kind, MAX_KIND) if event else "unreadable"
        style = STYLES.get(kind, "")
        table = Table.grid(padding=(0, 2, 0, 0))
        for width in (len("00:00:00"), self._width, USUAL_KIND):
            table.add_column(no_wrap=True, min_width=width)
        table.add_column(overflow="fold")
        table.add_row(
            Text(f"{event.time.astimezone():%H:%M:%S}" if event else "--:--:--", "dim"),
            Text(found.host, style),
            Text(kind, style),
            Text(cut(describeEvent(event), MAX_TEXT) if event else "", style),
        )
        with self._console.capture() as captured:
            self._console.print(table)
        tellDrawn("\n".join(line.rstrip() for line in captured.get().splitlines()))


async def _findStart(engine: "IEngine", seconds: float) -> float:
    """Return the milliseconds of the engine's clock at which the events begin."""
    from pkdoors.fleet.engine import clockOf

    return 1000 * (clockOf(await engine.describe(), time()) - seconds)
