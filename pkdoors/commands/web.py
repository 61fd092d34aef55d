"""C{pkdoors web}, and C{pkdoors relay-admin}, which it runs through ssh."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from pkdoors.commands.control import addAdminOptions
from pkdoors.commands.parser import Parser
from pkdoors.util.output import complain, requireLinux, tell

if TYPE_CHECKING:  # they load HTTP
    from pkdoors.web.adminside import IAdminSide
    from pkdoors.web.server import End


def addWebCommand(command: Parser) -> None:
    """Add the options of C{web}."""
    command.describe(
        "It listens on 127.0.0.1 only, and prints a link that works once. It ends with Ctrl-C, and "
        "when no page has been open for ten minutes."
    )
    addAdminOptions(command)
    command.epilog = "Example: sudo pkdoors web"
    command.set_defaults(run=_web, parser=command)


def _web(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.commands._run import runReactor
    from pkdoors.web.server import WebServer

    requireLinux(options.parser.prog)
    _say(options, "press Ctrl-C to end")

    async def serve(reactor: Any) -> "End":
        server = WebServer(reactor, _makeLocalSide(reactor, options, environment), tell)
        reactor.addSystemEventTrigger("before", "shutdown", server.stop)
        return await server.run()

    end = runReactor(options.parser, serve, endsItself=True)
    if end.sentence:
        _say(options, end.sentence)
    raise SystemExit(1 if end.isFault else 0)


def _say(options: Namespace, line: str) -> None:
    complain(options.parser.prog, line)


def _makeLocalSide(
    reactor: Any, options: Namespace, environment: Mapping[str, str]
) -> "IAdminSide":
    from pkdoors.commands.service.trial import findOwnWords
    from pkdoors.web.about import describeHost
    from pkdoors.web.localside import LocalSide, Place

    place = Place(options.admin, options.conf)
    program = findOwnWords(sys.orig_argv, sys.argv)
    return LocalSide(reactor, place, program, describeHost(environment))
