"""What C{pkdoors relay-admin} prints instead of relaying, for a Cockpit that shows the page."""

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pkdoors.commands.parser import Parser
from pkdoors.errors import PkdoorsError
from pkdoors.util.oneline import formatJSONLine
from pkdoors.util.output import tell, tellText

if TYPE_CHECKING:  # it loads HTTP
    from pkdoors.web.channels.adminside import IAdminSide

KINDS = ("admin", "about", "check", "fleet")
"""The questions that a host answers, as in L{pkdoors.web.channels.adminside.KINDS}."""


def addAnswerOptions(command: Parser) -> None:
    """Add the options that make it print something else."""
    others = command.add_mutually_exclusive_group()
    others.add_argument(
        "--ask",
        metavar="WHAT",
        choices=KINDS,
        help="print in JSON what the page asks this host, and end: admin (the path of the daemon's "
        "socket), about, check or fleet; for Cockpit",
    )
    others.add_argument(
        "--folder",
        action="store_true",
        help="print the folder of the page, which is a package for Cockpit, and end",
    )


def printAnswer(options: Namespace, makeSide: "Callable[[Any], IAdminSide]") -> NoReturn:
    """
    Print what L{addAnswerOptions} wants, and exit. If there is no answer, that is JSON as well:
    C{{"error": "..."}}, with status 1.
    """
    from pkdoors.commands._run import runReactor
    from pkdoors.web.question import ask, findFolder

    if options.folder:
        tell(str(findFolder()))
        raise SystemExit(0)

    async def answer(reactor: Any) -> tuple[str, int]:
        try:
            return (await ask(makeSide(reactor), options.ask)).decode(), 0
        except PkdoorsError as error:
            return formatJSONLine({"error": str(error)}) + "\n", 1

    text, status = runReactor(options.parser, answer)
    tellText(text)
    raise SystemExit(status)
