"""C{pkdoors knock} on the command line."""

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pkdoors.clitools import Parser, checked, parseNumber
from pkdoors.durations import parseDuration
from pkdoors.errors import BadValue, KnockError
from pkdoors.ports import parsePort
from pkdoors.sequence import Sequence

if TYPE_CHECKING:  # it loads the reactor, which other commands can do without
    from pkdoors.visit import Visit

T = TypeVar("T")


def knockCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "knock on a host, so that it opens its door for this address"
    command = commands.add_parser("knock", help=about, description=about.capitalize() + ".")
    knockOptions(command)
    add = command.add_argument
    add(
        "--wait",
        metavar="PORT",
        type=checked(parsePort),
        help="wait until this TCP port answers, and knock again where it does not",
    )
    command.add_argument(
        "--keep",
        action="store_true",
        help="stay, and keep the door open, also from another address, until Ctrl-C",
    )
    waitOptions(command)
    command.set_defaults(run=_knock, parser=command)


def knockOptions(command: Parser) -> None:
    """Add the options of all commands that knock."""
    add = command.add_argument
    add("host", metavar="HOST", help="name or address; all its addresses are knocked on")
    add(
        "-m",
        "--magic-seq",
        metavar="PORTS",
        type=checked(Sequence.parse),
        help="the sequence, 17001,17203,... (default: KNOCKER_SEQ of the environment)",
    )
    add(
        "--open-for",
        metavar="TIME",
        type=checked(parseDuration),
        help="ask to open for so long, 10m or 1h30m (default: what the host gives)",
    )
    add(
        "--interval",
        metavar="TIME",
        default="20ms",
        type=checked(lambda text: parseDuration(text, least=0, most=10)),
        help="between two knocks (default: %(default)s)",
    )
    family = command.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="only IPv4")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="only IPv6")


def waitOptions(command: Parser) -> None:
    """Add the options of all commands that wait for a port."""
    add = command.add_argument
    add(
        "--timeout",
        metavar="TIME",
        default="5s",
        type=checked(lambda text: parseDuration(text, least=0.1)),
        help="when waiting: how long after each knock (default: %(default)s)",
    )
    add(
        "--tries",
        metavar="N",
        default="3",
        type=checked(lambda text: parseNumber(text, 1, 1000)),
        help="when waiting: how many knocks in all (default: %(default)s)",
    )


def visitOf(options: Namespace, environment: Mapping[str, str], port: int | None) -> "Visit":
    """
    What L{knockOptions} and L{waitOptions} ask for.

    @param port: the TCP port to wait for; L{None} for not waiting.
    """
    from pkdoors.visit import Visit

    return Visit(
        host=options.host,
        sequence=options.magic_seq or _sequenceFrom(environment, options.parser),
        seconds=options.open_for or 0,
        interval=options.interval,
        family=options.family,
        port=port,
        timeout=options.timeout,
        tries=options.tries,
    )


def _knock(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    visit = visitOf(options, environment, options.wait)
    if options.keep:
        _keep(options.parser, visit)
    runToEnd(options.parser, lambda reactor: visit.pay(reactor, sayer(options.parser)))


def _keep(parser: Parser, visit: "Visit") -> NoReturn:
    from pkdoors.staying import Stay

    if not visit.seconds:
        parser.error("--keep needs --open-for: after two thirds of that time it knocks again")
    runToEnd(parser, lambda reactor: Stay(visit, reactor, sayer(parser)).last())


def runToEnd(parser: Parser, work: Callable[[Any], Awaitable[str]]) -> NoReturn:
    """
    Run the reactor until some work is done, and end with status 0 after printing what it gave, or
    with 1 and its error's sentence. A signal is no success either.
    """
    print(resultOf(parser, work))
    raise SystemExit(0)


def resultOf(parser: Parser, work: Callable[[Any], Awaitable[T]]) -> T:
    """
    Run the reactor until some work is done, and give what it gave. Without success end with
    status 1 and the error's sentence; a signal is no success either.
    """
    from twisted.internet.task import react

    results: list[T] = []

    async def run(reactor: Any) -> None:
        try:
            results.append(await work(reactor))
        except KnockError as error:
            sayer(parser)(str(error))
            raise SystemExit(1) from error

    try:
        react(run)
    except SystemExit as end:
        if end.code:
            raise
        if not results:
            sayer(parser)("interrupted")
            raise SystemExit(1) from end
    return results[0]


def sayer(parser: Parser) -> Callable[[str], None]:
    """What tells the user how it goes, a line each."""
    return lambda line: print(f"{parser.prog}: {line}", file=sys.stderr)


def _sequenceFrom(environment: Mapping[str, str], parser: Parser) -> Sequence:
    if "KNOCKER_SEQ" not in environment:
        parser.error("--magic-seq is missing, and KNOCKER_SEQ is not in the environment")
    try:
        return Sequence.parse(environment["KNOCKER_SEQ"])
    except BadValue as error:
        parser.error(f"KNOCKER_SEQ: {error}")
