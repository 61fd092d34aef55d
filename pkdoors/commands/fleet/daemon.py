"""C{pkdoors fleet daemon}: what C{twistd -n pkdoors-fleet} does."""

from argparse import Namespace
from collections.abc import Mapping

from pkdoors.commands.control import addConfOption
from pkdoors.commands.parser import Parser, addFileOption


def addFleetDaemonCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        "It carries sealed knocks, orders and events between this host's daemon and the other "
        "hosts, and needs no privileges: the daemon judges what it hands in. The log goes to "
        "standard output, or to systemd's journal. The status is 78 if the configuration is wrong."
    )
    addConfOption(
        command,
        "the daemon's configuration file: fleet.toml is beside it, or named in it if this user may "
        "read that",
    )
    addFileOption(command, "--file", help="the fleet's configuration file, in place of that")
    addFileOption(
        command,
        "--socket",
        help="the daemon's socket for the fleet (default: /run/pkdoors/fleet.sock)",
    )
    command.epilog = "Example: sudo -u pkdoors-fleet pkdoors fleet daemon"
    command.set_defaults(run=_run, parser=command)


def _run(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.util.output import requireLinux

    requireLinux(options.parser.prog)
    from pkdoors.commands.service.daemon import runTwistd
    from pkdoors.daemon.process.journal import JournalObserver, isJournal
    from pkdoors.fleet.tap import Options

    class CommandOptions(Options):
        program = "pkdoors fleet daemon"

    given = {"conf": options.conf, "file": options.file, "socket": options.socket}
    wanted = CommandOptions()
    wanted.parseOptions([f"--{name}={value}" for name, value in given.items() if value])
    makeLog = JournalObserver if isJournal(environment) else None
    runTwistd("pkdoors-fleet", wanted, "", makeLog)
