"""Runs the work of a command that knocks, and prints its error."""

import os
import signal
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar

from pkdoors.commands.parser import Parser
from pkdoors.errors import KnockError
from pkdoors.util.output import complain

T = TypeVar("T")

GRACE = 0.5
"""Seconds for interrupted work to clean up; a terminal is to show again what is typed."""
INTERRUPTED, TERMINATED = 130, 143
"""The exit statuses that a shell reports for programs that Ctrl-C and SIGTERM ended."""


def hasTwisted() -> bool:
    """Return whether Twisted and its driver are installed; the client in one file lacks both."""
    return None not in (find_spec("pkdoors.client.reactor"), find_spec("twisted"))


def runBlocking(parser: Parser, work: Callable[[], T]) -> T:
    """
    Do some work, and return its result. If it fails, print its error and end with status 1; if the
    user interrupts it, end with L{INTERRUPTED}.
    """
    try:
        return work()
    except KnockError as error:
        _fail(parser, str(error), error)
    except KeyboardInterrupt as error:
        _fail(parser, "interrupted", error, INTERRUPTED)


def runReactor(parser: Parser, work: Callable[[Any], Awaitable[T]], endsItself: bool = False) -> T:
    """
    Run the reactor until some work is done; the rest is as in L{runBlocking}. A signal counts as an
    interruption.

    @param endsItself: whether the work wants to do something when the reactor stops. Otherwise it
        is cancelled, and has L{GRACE} to clean up.
    """
    from twisted.internet import reactor  # while Ctrl-C raises no exception, which could get lost
    from twisted.internet.defer import CancelledError, Deferred
    from twisted.internet.task import react

    results: list[T] = []
    limits: list[Any] = []

    async def run() -> None:
        try:
            results.append(await work(reactor))
        except KnockError as error:
            _fail(parser, str(error), error)
        except CancelledError:
            if not _signalOf(reactor):
                raise

    def begin(reactor: Any) -> Any:
        working = Deferred.fromCoroutine(run())
        if not endsItself:
            reactor.addSystemEventTrigger("before", "shutdown", _cancel, reactor, working, limits)
        return working

    try:
        if getattr(signal.getsignal(signal.SIGINT), "__module__", "") == "pkdoors.cli":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # so the reactor has its own
        react(begin)
    except KeyboardInterrupt as error:
        _fail(parser, "interrupted", error, INTERRUPTED)
    except SystemExit as end:
        for limit in limits:
            limit.cancel()
        if end.code:
            raise
        if not results:
            isTermination = _signalOf(reactor) == signal.SIGTERM
            line = "ended by SIGTERM" if isTermination else "interrupted"
            _fail(parser, line, end, TERMINATED if isTermination else INTERRUPTED)
    return results[0]


def _signalOf(reactor: object) -> int | None:
    """Return the signal that stopped a reactor."""
    number: int | None = getattr(reactor, "_exitSignal", None)
    return number


def _cancel(reactor: object, working: Any, limits: list[Any]) -> None:
    """
    Cancel some work that a signal ends. The reactor then waits for its threads, and one of them may
    wait for a name server.
    """
    number = _signalOf(reactor)
    if number:
        from threading import Timer

        limit = Timer(GRACE, _endNow, (128 + number,))
        limit.daemon = True
        limit.start()
        limits.append(limit)
        working.cancel()


def _endNow(status: int) -> None:
    complain("pkdoors", "ended by SIGTERM" if status == TERMINATED else "interrupted")
    os._exit(status)


def makeReporter(parser: Parser) -> Callable[[str], None]:
    """Return a function that prints a line about the progress to the user."""
    return lambda line: complain(parser.prog, line)


def _fail(parser: Parser, line: str, error: BaseException, status: int = 1) -> NoReturn:
    makeReporter(parser)(line)
    raise SystemExit(status) from error
