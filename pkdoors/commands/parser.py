"""The parser of the command line, and what several commands share."""

import re
import sys
from argparse import Action, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from importlib import import_module
from os.path import abspath
from typing import Any, NamedTuple, NoReturn, TypeVar

from pkdoors.errors import BadValue
from pkdoors.model.sequence import DEFAULT_LENGTH, MAX_PORTS, MIN_PORTS
from pkdoors.util.oneline import printable
from pkdoors.util.quoting import findNear, mayHavePort, shown

T = TypeVar("T")


class Parser(ArgumentParser):
    """
    A parser whose errors are one line; C{argparse} itself prints the usage around them.

    @ivar mayComeLate: an argument that may be missing. If options stand between it and the one
        before, C{argparse} takes it for missing, and for an unknown one.
    @ivar ifNumber: the end of the error about a number too many.
    @ivar ending: does what an error needs, and returns the end of its sentence.
    @ivar words: the command line.
    """

    mayComeLate: Action | None = None
    ifNumber = ""
    ending: Callable[[], str] = str
    words: tuple[str, ...] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """
        Refuse unknown arguments here; otherwise the parser above would, without this command's
        name.
        """
        self.words = tuple(sys.argv[1:] if args is None else args)
        options, unknown = super().parse_known_args(args, namespace)
        late = self.mayComeLate
        if late and len(unknown) == 1 and getattr(options, late.dest) is None:
            self._takeLate(options, late, unknown.pop())
        if unknown:
            self._refuse(unknown)
        return options, unknown

    def _refuse(self, unknown: list[str]) -> NoReturn:
        name = unknown[0].partition("=")[0]
        near = findNear(name, self._option_string_actions)
        hint = self.ifNumber if name.isdecimal() else ""
        hint = f": did you mean {near}?" if near and name.startswith("--") else hint
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")

    def _takeLate(self, options: Any, late: Action, word: str) -> None:
        if word.startswith("-"):
            self._refuse([word])
        try:
            setattr(options, late.dest, late.type(word) if callable(late.type) else word)
        except ArgumentTypeError as error:
            self.error(f"argument {late.metavar}: {error}")

    def format_help(self) -> str:
        """Return the help. C{argparse} would break the lines of the example at its end."""
        example, self.epilog = self.epilog, None
        try:
            return super().format_help() + (f"\n{example}\n" if example else "")
        finally:
            self.epilog = example

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print a message. C{argparse} passes over it if that fails; our caller reports it."""
        if message and file is not None:  # which it always is
            file.write(message)

    def describe(self, details: str) -> None:
        """Add to the command's help."""
        self.description = f"{self.description} {details}"

    def error(self, message: str) -> NoReturn:
        """
        End with status 2. What C{argparse} quotes can be a sequence in the wrong place, so hide it.
        """
        parts = {part for word in self.words for part in (word, *word.split("=", 1))}
        # A word with a dot is the name or the address of a host, unless it is a URI.
        hidden = [part for part in parts if mayHavePort(part) and ("." not in part or "?" in part)]
        for part in sorted(hidden, key=len, reverse=True):
            message = message.replace(repr(part), "this").replace(part, "...")
        self.exit(2, f"{self.prog}: {printable(message + self.ending())}\n")


class Command(NamedTuple):
    """
    A command. Its module is loaded when somebody uses it: others would wait for it, and some need
    what only Linux has.

    @ivar about: what the list of commands says about it; the beginning of its own help.
    @ivar module: its module in L{pkdoors.commands}.
    @ivar add: the function there that adds its options to its parser.
    """

    about: str
    module: str
    add: str


def addCommands(
    parser: ArgumentParser, commands: Mapping[str, Command], only: str | None = None
) -> Action:
    """
    Add commands to a parser, and return the argument that stands for them.

    @param only: the only one that is used; L{None} for any. Of the others, the parser knows no more
        than that they exist.
    """
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (about, module, add) in commands.items():
        # Not capitalize(), which makes all other letters small.
        sentence = f"{about[0].upper()}{about[1:]}."
        command = parsers.add_parser(name, help=about, description=sentence)
        if only in (None, name):
            getattr(import_module(f"pkdoors.commands.{module}"), add)(command)
    return parsers


def completeWith(action: Action, name: str) -> None:
    """
    Let the shell complete an argument.

    @param name: of a function in L{pkdoors.commands.completion}, which is loaded only then.
    """

    def complete(**values: Any) -> Any:
        return getattr(import_module("pkdoors.commands.completion"), name)(**values)

    action.completer = complete  # type: ignore[attr-defined]


def asType(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Make a parser of values fit for C{argparse}, which has its own exception for wrong values."""

    def check(text: str) -> T:
        try:
            return parse(text)
        except BadValue as error:
            raise ArgumentTypeError(str(error)) from error

    return check


def parseNumber(text: str, least: int, most: int) -> int:
    """
    Read a whole number.

    @raise BadValue: it is not a number, or out of bounds.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BadValue(f"{shown(text)} is not a number from {least} to {most}")
    return int(text)


def parsePath(text: str) -> str:
    """
    Return the absolute path of a file.

    @raise BadValue: its name cannot be shown in a message or a command.
    """
    if not text or not text.isprintable():
        raise BadValue(f"{shown(text)} is not a usable file name: use printable characters only")
    return abspath(text)


def addFileOption(command: ArgumentParser, *names: str, **settings: Any) -> None:
    """
    Add an option that takes a file's path, which the shell completes.

    @param settings: see C{ArgumentParser.add_argument}.
    """
    option = command.add_argument(*names, metavar="FILE", type=asType(parsePath), **settings)
    completeWith(option, "listFiles")


def addLengthOption(command: ArgumentParser) -> None:
    """Add the option of all commands that make a sequence."""
    command.add_argument(
        "-n",
        "--length",
        metavar="N",
        default=str(DEFAULT_LENGTH),
        type=asType(lambda text: parseNumber(text, MIN_PORTS, MAX_PORTS)),
        help=f"how many ports, {MIN_PORTS} to {MAX_PORTS} (default: {DEFAULT_LENGTH})",
    )
    command.add_argument(
        "--tcp",
        action="store_true",
        help="TCP ports, for clients whose network lets no datagrams out (default: UDP ports)",
    )
