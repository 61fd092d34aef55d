"""Runs the work of a command that knocks, and prints its error."""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar

from pkdoors.commands.parser import Parser
from pkdoors.errors import KnockError
from pkdoors.util.output import INTERRUPTED, complain

T = TypeVar("T")


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


def runReactor(parser: Parser, work: Callable[[Any], Awaitable[T]]) -> T:
    """
    Run the reactor until some work is done; the rest is as in L{runBlocking}. A signal counts as an
    interruption.
    """
    from twisted.internet.task import react

    results: list[T] = []

    async def run(reactor: Any) -> None:
        try:
            results.append(await work(reactor))
        except KnockError as error:
            _fail(parser, str(error), error)

    try:
        react(run)
    except SystemExit as end:
        if end.code:
            raise
        if not results:
            _fail(parser, "interrupted", end, INTERRUPTED)
    return results[0]


def makeReporter(parser: Parser) -> Callable[[str], None]:
    """Return a function that prints a line about the progress to the user."""
    return lambda line: complain(parser.prog, line)


def _fail(parser: Parser, line: str, error: BaseException, status: int = 1) -> NoReturn:
    makeReporter(parser)(line)
    raise SystemExit(status) from error
