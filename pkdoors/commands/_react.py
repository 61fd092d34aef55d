"""Runs the reactor until the work of a command is done."""

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from pkdoors.commands.parser import Parser
from pkdoors.errors import KnockError
from pkdoors.util.output import complain, tell

T = TypeVar("T")


def runAndExit(parser: Parser, work: Callable[[Any], Awaitable[str]]) -> NoReturn:
    """
    Run the reactor until some work is done. Then print its result and end with status 0, or print
    its error and end with status 1. A signal counts as an error.
    """
    tell(runReactor(parser, work))
    raise SystemExit(0)


def runReactor(parser: Parser, work: Callable[[Any], Awaitable[T]]) -> T:
    """
    Run the reactor until some work is done, and return its result. If the work fails, print its
    error and end with status 1. A signal counts as an error.
    """
    from twisted.internet.task import react

    results: list[T] = []

    async def run(reactor: Any) -> None:
        try:
            results.append(await work(reactor))
        except KnockError as error:
            makeReporter(parser)(str(error))
            raise SystemExit(1) from error

    try:
        react(run)
    except SystemExit as end:
        if end.code:
            raise
        if not results:
            makeReporter(parser)("interrupted")
            raise SystemExit(1) from end
    return results[0]


def makeReporter(parser: Parser) -> Callable[[str], None]:
    """Return a function that prints a line about the progress to the user."""
    return lambda line: complain(parser.prog, line)
