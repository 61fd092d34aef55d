"""C{pkdoors web}, and C{pkdoors relay-admin}, which it runs through ssh."""

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from pkdoors.commands._pageanswers import addAnswerOptions, printAnswer
from pkdoors.commands.control import addAdminOptions
from pkdoors.commands.parser import Parser, asType, completeWith
from pkdoors.errors import AskError, KnockError
from pkdoors.util.output import complain, tell

if TYPE_CHECKING:  # they load HTTP
    from pkdoors.web.channels.adminside import IAdminSide
    from pkdoors.web.channels.localside import LocalSide
    from pkdoors.web.server import End

_HINT = "open this link, which works once; press Enter for another one, and Ctrl-C to end"


def addWebCommand(command: Parser) -> None:
    """Add the options of C{web}."""
    command.describe(
        "It listens on 127.0.0.1 only, and prints a link that works once; press Enter for another "
        "one. It ends with Ctrl-C, and when no page has been open for ten minutes."
    )
    host = command.add_argument(
        "host",
        metavar="HOST",
        nargs="?",
        type=asType(_parseHost),
        help="the host of the daemon, as ssh takes it: root@gate1, or a name in ~/.ssh/config "
        "(default: this host)",
    )
    completeWith(host, "listSshHosts")
    command.add_argument(
        "--sudo", action="store_true", help="become root on HOST with sudo, without a password"
    )
    command.add_argument(
        "--ssh",
        metavar="COMMAND",
        type=asType(_parseCommand),
        help="run this in place of ssh, for example 'ssh -p 2222'",
    )
    command.add_argument(
        "--program", metavar="PATH", help="the path of pkdoors on HOST (default: pkdoors)"
    )
    command.add_argument(
        "--no-browser", action="store_true", help="print the link only, and open no browser"
    )
    addAdminOptions(command)
    command.epilog = "Example: pkdoors web root@gate1"
    command.set_defaults(run=_web, parser=command)


def addRelayCommand(command: Parser) -> None:
    """Add the options of C{relay-admin}."""
    command.describe("`pkdoors web HOST` runs it through ssh; you need not.")
    addAnswerOptions(command)
    addAdminOptions(command)
    command.epilog = "Example: ssh root@gate1 pkdoors relay-admin"
    command.set_defaults(run=_relay, parser=command)


def _parseHost(text: str) -> str:
    from pkdoors.web.channels.sshcommand import parseHost

    return parseHost(text)


def _parseCommand(text: str) -> tuple[str, ...]:
    from pkdoors.web.channels.sshcommand import parseCommand

    return parseCommand(text)


def _web(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    _checkOptions(options)
    from twisted.internet.task import deferLater

    from pkdoors.commands._run import runReactor
    from pkdoors.web.keyboard import onEnter
    from pkdoors.web.server import WebServer

    async def serve(reactor: Any) -> "End":
        # From its first turn on the reactor handles Ctrl-C; before that, ssh must not ask.
        await deferLater(reactor, 0, lambda: None)
        side = _makeSide(reactor, options, environment)
        server = WebServer(
            reactor, side, _makeShow(reactor, options, environment), _findUsers(environment)
        )
        reactor.addSystemEventTrigger("before", "shutdown", server.stop)
        if sys.stdin.isatty():
            _ignoreBackground()
            onEnter(reactor, sys.stdin, server.showLink)
        return await server.run()

    end = runReactor(options.parser, serve, endsItself=True)
    if end.sentence:
        complain(options.parser.prog, end.sentence)
    raise SystemExit(1 if end.isFault else 0)


def _checkOptions(options: Namespace) -> None:
    parser: Parser = options.parser
    if options.host is None:
        for name in ("sudo", "ssh", "program"):
            if getattr(options, name):
                parser.error(f"--{name} needs a HOST: without one, the page is of this host")
        if sys.platform != "linux":
            complain(parser.prog, "this system has no daemon: name its HOST, such as root@gate1")
            raise SystemExit(1)
    else:
        for name in ("admin", "conf"):
            if not (getattr(options, name) or "/").startswith("/"):
                parser.error(f"--{name}: give the absolute path on {options.host}")


def _makeSide(reactor: Any, options: Namespace, environment: Mapping[str, str]) -> "IAdminSide":
    if options.host is None:
        return _makeLocalSide(reactor, options, environment)
    from pkdoors import __version__
    from pkdoors.web.channels.remoteside import RemoteSide
    from pkdoors.web.channels.sshcommand import PROGRAM, SshTarget

    given = {"--admin": options.admin, "--conf": options.conf}
    words = tuple(f"{name}={path}" for name, path in given.items() if path)
    program = options.program or PROGRAM
    target = SshTarget(options.host, options.ssh or ("ssh",), program, words, options.sudo)
    return RemoteSide(reactor, target, __version__.public())


def _makeLocalSide(reactor: Any, options: Namespace, environment: Mapping[str, str]) -> "LocalSide":
    from pkdoors.commands.service.trial import findOwnWords
    from pkdoors.web.channels.about import describeHost
    from pkdoors.web.channels.localside import LocalSide, Place

    place = Place(*(path and os.path.abspath(path) for path in (options.admin, options.conf)))
    program = findOwnWords(sys.orig_argv, sys.argv)
    return LocalSide(reactor, place, program, describeHost(environment))


def _makeShow(
    reactor: Any, options: Namespace, environment: Mapping[str, str]
) -> Callable[[str], None]:
    """Return what shows a link to the user; the first one in a browser, too."""
    from pkdoors.web.browser import mayOpen, openBrowser

    isFirst, isOpening = True, not options.no_browser
    isOpening = isOpening and mayOpen(environment, sys.platform, _isRoot())

    def show(link: str) -> None:
        nonlocal isFirst
        if isFirst:
            complain(options.parser.prog, _HINT)
        tell(link)
        if isFirst and isOpening:
            openBrowser(reactor, link)
        isFirst = False

    return show


def _isRoot() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _findUsers(environment: Mapping[str, str]) -> set[int]:
    """Return the users of this machine who may use the link; none for everybody."""
    from pkdoors.web.peers import canTell

    if not canTell():
        return set()
    if not _isRoot():
        return {os.geteuid(), 0}
    behind = environment.get("SUDO_UID", "")
    return {int(behind), 0} if behind.isdigit() else set()  # who has become root is unknown


def _ignoreBackground() -> None:
    """Let a terminal refuse what we read in the background; otherwise it would stop us."""
    if hasattr(signal, "SIGTTIN"):
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)


def _relay(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.commands._run import runReactor
    from pkdoors.web.channels.localside import checkAccess
    from pkdoors.web.channels.relay import relay

    if options.ask or options.folder:
        printAnswer(options, lambda reactor: _makeLocalSide(reactor, options, environment))
    if sys.stdin.isatty():
        options.parser.error("`pkdoors web HOST` runs this through ssh, and you need not")

    async def serve(reactor: Any) -> None:
        side = _makeLocalSide(reactor, options, environment)
        try:
            checkAccess(side.place)
        except AskError as error:
            raise KnockError(f"{error}, or use --sudo") from error
        await relay(side)

    runReactor(options.parser, serve)
