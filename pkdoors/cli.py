"""The C{pkdoors} command."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from os import environ
from typing import Any, NoReturn, TypeVar

from pkdoors import __version__
from pkdoors.checkcmd import checkCommand
from pkdoors.durations import parseDuration
from pkdoors.errors import BadValue, KnockError, PkdoorsError
from pkdoors.ports import parsePort
from pkdoors.sequence import MAX_PORTS, MIN_PORTS, Sequence

T = TypeVar("T")

DEFAULT_LENGTH = 8
"""Ports in a sequence that is made here: 40320 orders, in a fifth of a second."""


class Parser(ArgumentParser):
    """What is wrong is one line; C{argparse} itself puts the usage around it."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = environ) -> None:
    """
    Run a command. Ends with status 0, with 1 where it did not succeed, with 2 for wrong usage.
    """
    parser = makeParser()
    options = parser.parse_args(arguments)
    options.run(options, environment)


def makeParser() -> Parser:
    """The commands and their options."""
    parser = Parser("pkdoors", description="Knock on doors that pkdoors keeps.")
    parser.add_argument(
        "-V", "--version", action="version", version=f"pkdoors {__version__.public()}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _knockCommand(commands)
    _sequenceCommand(commands)
    _releaseCommand(commands)
    checkCommand(commands)
    return parser


def _knockCommand(commands: Any) -> None:
    about = "knock on a host, so that it opens its door for this address"
    command = commands.add_parser("knock", help=about, description=about.capitalize() + ".")
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
    add(
        "--wait",
        metavar="PORT",
        type=checked(parsePort),
        help="wait until this TCP port answers, and knock again where it does not",
    )
    add(
        "--timeout",
        metavar="TIME",
        default="5s",
        type=checked(lambda text: parseDuration(text, least=0.1)),
        help="with --wait: how long after each knock (default: %(default)s)",
    )
    add(
        "--tries",
        metavar="N",
        default="3",
        type=checked(lambda text: parseNumber(text, 1, 1000)),
        help="with --wait: how many knocks in all (default: %(default)s)",
    )
    command.set_defaults(run=_knock, parser=command)


def _knock(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from twisted.internet.task import react

    from pkdoors.visit import Visit

    sequence = options.magic_seq or _sequenceFrom(environment, options.parser)
    visit = Visit(
        host=options.host,
        sequence=sequence,
        seconds=options.open_for or 0,
        interval=options.interval,
        family=options.family,
        port=options.wait,
        timeout=options.timeout,
        tries=options.tries,
    )

    done = False

    async def run(reactor: Any) -> None:
        nonlocal done
        try:
            print(await visit.pay(reactor, _say))
            done = True
        except KnockError as error:
            _say(str(error))
            raise SystemExit(1) from error

    try:
        react(run)
    except SystemExit as end:
        if not done and not end.code:  # a signal, which is no success
            _say("interrupted")
            raise SystemExit(1) from end
        raise


def _say(line: str) -> None:
    print(f"pkdoors knock: {line}", file=sys.stderr)


def _sequenceFrom(environment: Mapping[str, str], parser: Parser) -> Sequence:
    if "KNOCKER_SEQ" not in environment:
        parser.error("--magic-seq is missing, and KNOCKER_SEQ is not in the environment")
    try:
        return Sequence.parse(environment["KNOCKER_SEQ"])
    except BadValue as error:
        parser.error(f"KNOCKER_SEQ: {error}")


def _sequenceCommand(commands: Any) -> None:
    about = "print a new random sequence, of ports that are free on this host"
    command = commands.add_parser("sequence", help=about, description=about.capitalize() + ".")
    command.add_argument(
        "-n",
        "--length",
        metavar="N",
        default=str(DEFAULT_LENGTH),
        type=checked(lambda text: parseNumber(text, MIN_PORTS, MAX_PORTS)),
        help=f"how many ports, {MIN_PORTS} to {MAX_PORTS} (default: %(default)s)",
    )
    command.set_defaults(run=_sequence)


def _sequence(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.listener import isFree

    print(Sequence.random(options.length, isFree))


def _releaseCommand(commands: Any) -> None:
    about = "take everything that pkdoors put into the firewall out of it"
    command = commands.add_parser("release", help=about, description=about.capitalize() + ".")
    command.add_argument(
        "--force", action="store_true", help="also while the daemon runs (it puts all back)"
    )
    command.set_defaults(run=_release, parser=command)


def _release(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.release import release

    try:
        lines = release(options.force)
    except PkdoorsError as error:
        options.parser.exit(1, f"pkdoors release: {error}\n")
    print("\n".join(lines) or "there is nothing of pkdoors in the firewall")


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of a value, for C{argparse}, which has an exception of its own for what is wrong."""

    def check(text: str) -> T:
        try:
            return parse(text)
        except BadValue as error:
            raise ArgumentTypeError(str(error)) from error

    return check


def parseNumber(text: str, least: int, most: int) -> int:
    """
    Read a whole number.

    @raise BadValue: it is none, or out of bounds.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BadValue(f"{text!r} is not a number from {least} to {most}")
    return int(text)
