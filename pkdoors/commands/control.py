"""The commands C{pkdoors status}, C{open}, C{close} and C{reload}, which ask the running daemon."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pkdoors.adminclient.clients import NamedClient, checkClient, findClient
from pkdoors.commands._showing import SHOWN, addLimitOptions
from pkdoors.commands.parser import Parser, asType, completeWith
from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE
from pkdoors.config.values import parsePath
from pkdoors.errors import AskError, BadValue, NoDaemon
from pkdoors.model.names import checkName
from pkdoors.model.sources import parseSource
from pkdoors.util.durations import parseDuration
from pkdoors.util.output import complain, tell, tellDrawn, tellText

if TYPE_CHECKING:  # it loads HTTP, which other commands can do without
    from pkdoors.adminclient.client import AdminClient

T = TypeVar("T")

NO_DAEMON = 3
"""The exit status if the daemon is not running."""


def addStatusCommand(command: Parser) -> None:
    """Add the options of C{status}."""
    command.epilog = "Example: sudo pkdoors status --within 10.0.0.0/8"
    _addOptions(command, _status)
    command.add_argument("--json", action="store_true", help="print the whole status, for programs")
    _addDoor(command, "show the openings of this door only")
    command.add_argument(
        "--within",
        metavar="NETWORK",
        type=asType(parseSource),
        help="show the openings for addresses and networks in this network only",
    )
    addLimitOptions(command, "; with --json, all")


def addOpenCommand(command: Parser) -> None:
    """Add the options of C{open}."""
    command.epilog = "Example: sudo pkdoors open 192.0.2.7 --door ssh --for 10m"
    _addOptions(command, _open)
    completeWith(_addAddress(command), "listMe")
    _addDoor(command, "the door to open (not needed if there is only one)")
    command.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=asType(parseDuration),
        help="how long, 7d or 1h30m (default: the door's own time, as for a knock); an opening "
        "that lasts longer is kept: to shorten it, close it, then open it again",
    )


def addCloseCommand(command: Parser) -> None:
    """Add the options of C{close}."""
    command.epilog = "Example: sudo pkdoors close 192.0.2.7"
    _addOptions(command, _close)
    completeWith(_addAddress(command, nargs="?"), "listOpenAddresses")
    command.add_argument("--all", action="store_true", help="close for all addresses")
    _addDoor(command, "close only this door")


def addReloadCommand(command: Parser) -> None:
    """Add the options of C{reload}."""
    command.epilog = "Example: sudo pkdoors reload"
    _addOptions(command, _reload)


def addAdminOptions(command: ArgumentParser) -> None:
    """Add the options of all commands that ask the daemon."""
    about = f"the daemon's socket (default: {ADMIN_SOCKET})"
    admin = command.add_argument("--admin", metavar="PATH", type=asType(parsePath), help=about)
    completeWith(admin, "listFiles")
    addConfOption(command, "the configuration file that names the socket")


def addConfOption(command: ArgumentParser, about: str) -> None:
    """
    Add the option for the daemon's configuration file.

    @param about: what the file is needed for.
    """
    conf = command.add_argument(
        "-c",
        "--conf",
        metavar="FILE",
        type=asType(parsePath),
        help=f"{about} (default: {CONF_FILE})",
    )
    completeWith(conf, "listFiles")


def askOrExit(
    options: Namespace,
    ask: "Callable[[AdminClient], T]",
    onOff: Callable[[Namespace], T] | None = None,
) -> T:
    """
    Return what the daemon answers. Otherwise print why there is no answer, and exit: with status 3
    if the daemon is not running, and with 1 for all else.

    @param onOff: what to do if the daemon has no admin socket.
    """
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.location import AdminSocketOff, askDaemon

    def askAt(path: str) -> T:
        return ask(AdminClient(path))

    try:
        try:
            return askAt(options.admin) if options.admin else askDaemon(options.conf, askAt)
        except AdminSocketOff:
            if onOff is None:
                raise
            return onOff(options)
    except NoDaemon as error:
        _exit(options, str(error), NO_DAEMON)
    except AskError as error:
        _exit(options, str(error))
    except KeyboardInterrupt:
        _exit(options, "interrupted")


def _addOptions(command: Parser, run: Callable[[Namespace, Mapping[str, str]], None]) -> None:
    addAdminOptions(command)
    command.set_defaults(run=run, parser=command)


def _addAddress(command: ArgumentParser, **settings: Any) -> Any:
    about = (
        "an IPv4 or IPv6 address, a network like 10.0.0.0/16, a name (its addresses are looked up "
        "once), or `me`, the address that your ssh comes from"
    )
    return command.add_argument(
        "address", metavar="ADDRESS", type=asType(checkClient), help=about, **settings
    )


def _addDoor(command: ArgumentParser, about: str) -> None:
    door = command.add_argument("--door", metavar="NAME", type=asType(checkName), help=about)
    completeWith(door, "listDoors")


def _status(options: Namespace, environment: Mapping[str, str]) -> None:
    import json

    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.console import makeConsole
    from pkdoors.adminclient.responses import readRecord
    from pkdoors.adminclient.statusview import formatStatus

    limit = None if options.all or options.json else SHOWN
    selection = {
        "door": options.door,
        "within": str(options.within) if options.within else None,
        "limit": limit if options.limit is None else options.limit,
    }
    chosen = {name: value for name, value in selection.items() if value is not None}
    if options.json:
        answer = askOrExit(options, lambda daemon: daemon.status(**chosen))
        tellText(json.dumps(answer, indent=2) + "\n")
        return
    status = askOrExit(options, lambda daemon: readRecord(StatusRecord, daemon.status(**chosen)))
    tellDrawn(formatStatus(status, makeConsole(environment)))


def _open(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.admin.records import OpenedRecord
    from pkdoors.adminclient.messages import describeOpening
    from pkdoors.adminclient.responses import readRecord

    client = _findClient(options, environment)
    wanted = (options.door or "", options.seconds or 0.0)

    def openEach(daemon: "AdminClient") -> tuple[list[OpenedRecord], list[AskError]]:
        return client.askForEach(
            lambda address: readRecord(OpenedRecord, daemon.open(address, *wanted))
        )

    answers, refusals = askOrExit(options, openEach)
    for answer in answers:
        source = client.describe(answer.opening.source)
        tell(describeOpening(answer.opening, wanted[1], source))
    _exitIf(options, *map(str, refusals))


def _close(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.admin.records import ClosedRecord
    from pkdoors.adminclient.messages import (
        MAX_LINES,
        describeClosed,
        describeClosing,
        describeFollowing,
    )
    from pkdoors.adminclient.responses import readRecord

    if bool(options.address) == options.all:
        options.parser.error("give either the ADDRESS to close for, or --all")
    client = NamedClient([""]) if options.all else _findClient(options, environment)

    def closeEach(daemon: "AdminClient") -> tuple[list[ClosedRecord], list[AskError]]:
        return client.askForAny(
            lambda address: readRecord(
                ClosedRecord, daemon.close(address, options.door or "", MAX_LINES + 1)
            )
        )

    answers, refusals = askOrExit(options, closeEach)
    done = [line for answer in answers for line in describeClosed(answer)]
    done += [line for answer in answers for line in describeFollowing(answer)]
    done += [sentence for answer in answers for sentence in answer.others]
    refused = [line for answer in answers for line in describeClosing(answer)]
    refused += map(str, refusals)
    tell(*(done or ([] if refused else ["no door was open"])))
    _exitIf(options, *refused)


def _reload(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.admin.records import ReloadedRecord
    from pkdoors.adminclient.responses import readRecord

    answer = askOrExit(options, lambda daemon: readRecord(ReloadedRecord, daemon.reload()), _hangUp)
    tell(*(answer.changes or ["nothing has changed"]))
    complain(options.parser.prog, *answer.troubles)


def _hangUp(options: Namespace) -> NoReturn:
    """Make a daemon that has no admin socket reload, which it does without an answer."""
    from pkdoors.adminclient.hangup import hangUp
    from pkdoors.host.instance import Instance

    process = hangUp(options.conf, Instance())
    tell(
        f"sent SIGHUP to the daemon (process {process}), because it has no admin socket: "
        "its log reports what has changed"
    )
    raise SystemExit(0)


def _findClient(options: Namespace, environment: Mapping[str, str]) -> NamedClient:
    try:
        return findClient(options.address, environment)
    except BadValue as error:
        _exit(options, str(error))


def _exitIf(options: Namespace, *refused: str) -> None:
    """Print what was refused, and exit with status 1 if there is anything."""
    complain(options.parser.prog, *refused)
    if refused:
        raise SystemExit(1)


def _exit(options: Namespace, line: str, status: int = 1) -> NoReturn:
    complain(options.parser.prog, line)
    raise SystemExit(status)
