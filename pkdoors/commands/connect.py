"""C{pkdoors connect} on the command line."""

import signal
from argparse import Namespace
from collections.abc import Mapping
from typing import NoReturn

from pkdoors.commands._run import makeReporter, runBlocking
from pkdoors.commands.knock import addKnockOptions, addWaitOptions, makeAttempt
from pkdoors.commands.parser import Parser, asType
from pkdoors.errors import RelayError
from pkdoors.model.ports import parseTcpPort


def addConnectCommand(command: Parser) -> None:
    """Add the options."""
    addKnockOptions(command)
    command.add_argument(
        "port",
        metavar="PORT",
        type=asType(parseTcpPort),
        help="the TCP port to connect standard input and output to",
    )
    addWaitOptions(command)
    command.set_defaults(run=_connect, parser=command)


def _connect(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    letSignalEnd(signal.SIGINT)  # Ctrl-C is meant for ssh, and no traceback must appear
    attempt = makeAttempt(options, environment, options.port, isRace=True)
    from pkdoors.client.blocking.driver import perform

    say = makeReporter(options.parser)
    connection = runBlocking(options.parser, lambda: perform(attempt, say))[1]
    assert connection is not None
    from pkdoors.client.relay import Relay

    try:
        Relay(connection, 0, 1).run()
    except RelayError as error:
        say(str(error))
        raise SystemExit(1) from error
    raise SystemExit(0)


def letSignalEnd(end: signal.Signals) -> None:
    """Let a signal end the process at once and silently, unless it is ignored."""
    if signal.getsignal(end) != signal.SIG_IGN:
        signal.signal(end, signal.SIG_DFL)
