"""Options of several commands that say what to show."""

from functools import partial

from pkdoors.commands.parser import Parser, asType, parseNumber

SHOWN = 50
"""Openings that are shown unless more are asked for: those that end first."""


def addLimitOptions(command: Parser, more: str = "") -> None:
    """
    Add C{--limit} and C{--all}.

    @param more: what else holds without them.
    """
    some = command.add_mutually_exclusive_group()
    some.add_argument(
        "--limit",
        metavar="NUMBER",
        type=asType(partial(parseNumber, least=0, most=999_999)),
        help=f"show at most so many openings (default: {SHOWN}{more})",
    )
    some.add_argument("--all", action="store_true", help="show all openings")


def addFindingOptions(command: Parser) -> None:
    """Add C{--quiet} and C{--json} to a command that prints findings."""
    command.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="print only warnings and errors: nothing if all is well",
    )
    command.add_argument(
        "--json", action="store_true", help="print a JSON list of objects, for programs"
    )
