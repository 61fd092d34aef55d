"""The C{pkdoors} command."""

# ruff: noqa: E402
# The module signal itself makes enumerations of these, and takes milliseconds to load.
import _signal  # type: ignore[import-not-found]
import os
import sys


def endAtOnce(number: int, frame: object = None) -> None:
    """
    Handle Ctrl-C: end with one line and status 130, wherever the program is. An exception could get
    lost in a callback, or show up as a traceback.
    """
    os.write(2, b"pkdoors: interrupted\n")
    os._exit(128 + number)


# Before the rest is loaded, which takes most of the time of a knock. Another program that imports
# this module keeps its own signals.
if os.path.basename(sys.argv[0].removesuffix("/__main__.py")).startswith("pkdoors"):
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, endAtOnce)

from argparse import Action
from collections.abc import Collection, Mapping, Sequence
from os import environ
from typing import Any

from pkdoors.commands.parser import Command, Parser, addCommands
from pkdoors.util.output import complain, guardOutput, requireLinux, requireWhole
from pkdoors.util.quoting import findNear, shown

COMMANDS = {
    "knock": Command(
        "knock on a host to open its door for this address", "knock", "addKnockCommand"
    ),
    "connect": Command(
        "connect to a port, and knock first if it does not answer: a ProxyCommand for ssh",
        "connect",
        "addConnectCommand",
    ),
    "export": Command(
        "print a profile for another client: ssh's configuration, a script, an app, a QR code",
        "exporting.export",
        "addExportCommand",
    ),
    "import": Command(
        "add a profile that somebody exported as a URI or a QR code",
        "exporting.importing",
        "addImportCommand",
    ),
    "sequence": Command(
        "print a new random sequence, of ports that are free on this host",
        "sequence",
        "addSequenceCommand",
    ),
    "release": Command(
        "stop the daemon, and remove everything that pkdoors put into the firewall",
        "service.release",
        "addReleaseCommand",
    ),
    "check": Command("find what is wrong on this host", "check", "addCheckCommand"),
    "daemon": Command(
        "run the daemon in the foreground, as a service manager does",
        "service.daemon",
        "addDaemonCommand",
    ),
    "init": Command(
        "create a configuration for the daemon, and the client's profile",
        "setup.init",
        "addInitCommand",
    ),
    "install-service": Command(
        "make the daemon a service of systemd, with a user of its own",
        "service.install",
        "addInstallCommand",
    ),
    "trial": Command(
        "start the daemon for a while, and take everything back unless you keep it",
        "service.trial",
        "addTrialCommand",
    ),
    "keep": Command("keep the daemon that is on trial running", "service.trial", "addKeepCommand"),
    "status": Command("show the daemon's doors and openings", "control", "addStatusCommand"),
    "watch": Command(
        "show openings and events live, until you press q", "watch", "addWatchCommand"
    ),
    "web": Command(
        "show the operator's page in a browser, while you look at it", "web", "addWebCommand"
    ),
    "fleet": Command(
        "see and steer a fleet: hosts that open their doors together",
        "fleet.fleet",
        "addFleetCommand",
    ),
    "open": Command(
        "open a door for an address or a network, without a knock", "control", "addOpenCommand"
    ),
    "close": Command(
        "close the openings for an address or a network, or for all", "control", "addCloseCommand"
    ),
    "reload": Command(
        "make the daemon read its configuration again", "control", "addReloadCommand"
    ),
    "metrics": Command(
        "print the daemon's metrics for Prometheus, or write them for node_exporter",
        "service.metrics",
        "addMetricsCommand",
    ),
    "relay-admin": Command(
        "pass on what `pkdoors web HOST` asks, between ssh and the daemon", "web", "addRelayCommand"
    ),
    "completion": Command(
        "print the script that makes a shell complete the command line of pkdoors",
        "completion",
        "addCompletionCommand",
    ),
}

OF_SERVER = frozenset(
    (
        "check",
        "close",
        "daemon",
        "init",
        "install-service",
        "keep",
        "metrics",
        "open",
        "relay-admin",
        "release",
        "reload",
        "status",
        "trial",
        "watch",
    )
)
"""Commands for the daemon's host, which need Linux."""

AT_ONCE = frozenset(("connect", "daemon", "knock", "sequence"))
"""Commands that leave nothing behind, so that Ctrl-C can end them anywhere; the daemon handles it
itself later. Others clean up."""
INTERRUPTED = 130
"""The exit status that a shell reports for a program that Ctrl-C ended."""


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = environ,
    inside: Collection[str] = tuple(COMMANDS),
) -> None:
    """
    Run a command. It ends with status 0, with 1 if it did not succeed, with 2 if it was used
    wrongly, or with 3 if no daemon is running.

    @param inside: the commands that are installed; the client in one file has few.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if "_ARGCOMPLETE" in environment and len(inside) == len(COMMANDS):
        from pkdoors.commands.completion import answerShell

        answerShell(makeParser())
    with guardOutput():
        name = next((word for word in words if not word.startswith("-")), "")
        parser = makeParser(name, inside)
        if not words:
            parser.exit(2, parser.format_help())
        if name and name not in COMMANDS:
            parser.error(f"{shown(name)} is not a command: {_suggest(name)}")
        if name and name not in inside:
            requireWhole(parser.prog, name)
        options = parser.parse_args(words)
        if name in OF_SERVER:
            requireLinux(f"{parser.prog} {name}")
        if name not in AT_ONCE and _signal.getsignal(_signal.SIGINT) is endAtOnce:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        try:
            options.run(options, environment)
        except KeyboardInterrupt:
            complain(f"{parser.prog} {name}", "interrupted")
            raise SystemExit(INTERRUPTED) from None


def makeParser(only: str | None = None, inside: Collection[str] = tuple(COMMANDS)) -> Parser:
    """
    Return the parser of all commands and their options.

    @param only: the only command that is used; L{None} for any. Of the others, the parser knows no
        more than that they exist.
    @param inside: the commands that are installed.
    """
    parser = Parser(
        "pkdoors", description="Knock on hosts that run pkdoors, and operate its daemon."
    )
    parser.add_argument(
        "-V", "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    addCommands(parser, {name: COMMANDS[name] for name in inside}, only)
    return parser


def _suggest(name: str) -> str:
    near = findNear(name, COMMANDS, 0.6)
    return f"did you mean {near}?" if near else f"use one of {', '.join(COMMANDS)}"


class _Version(Action):
    """Prints the version; it is found only then, by a library."""

    def __call__(self, parser: Any, *_: Any) -> None:
        from pkdoors import __version__
        from pkdoors.util.output import tell

        tell(f"pkdoors {__version__.public()}")
        parser.exit()
