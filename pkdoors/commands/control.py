"""The commands C{pkdoors status}, C{open}, C{close} and C{reload}, which ask the running daemon."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pkdoors.commands.completion import completeWith, listDoors, listFiles, listOpenAddresses
from pkdoors.commands.parser import asType
from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE
from pkdoors.config.values import parsePath
from pkdoors.errors import AskError, BadValue, NoDaemon
from pkdoors.model.addresses import canonicalize
from pkdoors.model.doors import checkName
from pkdoors.util.durations import parseDuration
from pkdoors.util.output import complain, tell, tellDrawn, tellText

if TYPE_CHECKING:  # it loads HTTP, which other commands can do without
    from pkdoors.adminclient.client import AdminClient

T = TypeVar("T")

NO_DAEMON = 3
"""The exit status where there is no daemon."""


def addStatusCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "show the daemon's doors, and for whom they are open"
    command = _command(commands, "status", about, _status)
    command.add_argument("--json", action="store_true", help="print all of it, for programs")


def addOpenCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "open a door for an address, without a knock"
    command = _command(commands, "open", about, _open)
    _addressArgument(command)
    _doorOption(command, "which door (not needed where there is one only)")
    command.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=asType(parseDuration),
        help="for so long, 10m or 1h30m (default: what a knock gets); what is open for longer "
        "stays so: to shorten that, close it, then open it again",
    )


def addCloseCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "close what is open, for an address or for all"
    command = _command(commands, "close", about, _close)
    completeWith(_addressArgument(command, nargs="?"), listOpenAddresses)
    command.add_argument("--all", action="store_true", help="for all addresses")
    _doorOption(command, "only this door")


def addReloadCommand(commands: Any) -> None:
    """Add it to the commands."""
    _command(commands, "reload", "have the daemon read its configuration again", _reload)


def addAdminOptions(command: ArgumentParser) -> None:
    """Add the options of all commands that ask the daemon."""
    add = partial(command.add_argument, type=asType(parsePath))
    admin = add("--admin", metavar="PATH", help=f"the daemon's socket (default: {ADMIN_SOCKET})")
    conf = add(
        *("-c", "--conf"), metavar="FILE", help=f"or the file that tells it (default: {CONF_FILE})"
    )
    completeWith(admin, listFiles)
    completeWith(conf, listFiles)


def asked(options: Namespace, ask: "Callable[[AdminClient], T]") -> T:
    """
    What the daemon answers; else end, with status 3 where there is none, and 1 for all else.
    """
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.location import askThere

    def askAt(path: str) -> T:
        return ask(AdminClient(path))

    try:
        return askAt(options.admin) if options.admin else askThere(options.conf, askAt)
    except NoDaemon as error:
        _fail(options, str(error), NO_DAEMON)
    except AskError as error:
        _fail(options, str(error))
    except KeyboardInterrupt:
        _fail(options, "interrupted")


def _command(
    commands: Any, name: str, about: str, run: Callable[[Namespace, Mapping[str, str]], None]
) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name, help=about, description=about.capitalize() + "."
    )
    addAdminOptions(command)
    command.set_defaults(run=run, parser=command)
    return command


def _addressArgument(command: ArgumentParser, **more: Any) -> Any:
    return command.add_argument(
        "address", metavar="ADDRESS", type=asType(_address), help="an IPv4 or IPv6 address", **more
    )


def _doorOption(command: ArgumentParser, about: str) -> None:
    door = command.add_argument("--door", metavar="NAME", type=asType(checkName), help=about)
    completeWith(door, listDoors)


def _address(text: str) -> str:

    try:
        return canonicalize(text)
    except ValueError:
        raise BadValue(
            f"{text!r} is no address: give one of IPv4 or IPv6, like 192.0.2.7"
        ) from None


def _status(options: Namespace, environment: Mapping[str, str]) -> None:
    import json

    from pkdoors.adminclient.console import makeConsole
    from pkdoors.adminclient.responses import statusOf
    from pkdoors.adminclient.statusview import statusText

    if options.json:
        tellText(json.dumps(asked(options, lambda daemon: daemon.status()), indent=2) + "\n")
        return
    status = asked(options, lambda daemon: statusOf(daemon.status()))
    tellDrawn(statusText(status, makeConsole(environment)))


def _open(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.adminclient.messages import openLine
    from pkdoors.adminclient.responses import openedOf

    wanted = (options.address, options.door or "", options.seconds or 0.0)
    opening = asked(options, lambda daemon: openedOf(daemon.open(*wanted)))
    tell(openLine(opening, wanted[2]))


def _close(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.adminclient.messages import closedLines, closingLines, followingLines
    from pkdoors.adminclient.responses import closedOf

    if bool(options.address) == options.all:
        options.parser.error("give either the ADDRESS to close for, or --all")
    wanted = (options.address or "", options.door or "")
    closed, closing = asked(options, lambda daemon: closedOf(daemon.close(*wanted)))
    done, refused = [*closedLines(closed), *followingLines(closing)], closingLines(closing)
    tell(*(done or ([] if refused else ["no door was open"])))
    complain(options.parser.prog, *refused)
    if refused:
        raise SystemExit(1)


def _reload(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.adminclient.responses import reloadedOf

    changes, troubles = asked(options, lambda daemon: reloadedOf(daemon.reload()))
    tell(*(changes or ["nothing has changed"]))
    complain(options.parser.prog, *troubles)


def _fail(options: Namespace, line: str, status: int = 1) -> NoReturn:
    complain(options.parser.prog, line)
    raise SystemExit(status)
