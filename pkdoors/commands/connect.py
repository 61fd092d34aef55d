"""C{pkdoors connect} on the command line."""

import signal
from argparse import Namespace
from collections.abc import Mapping
from typing import NoReturn

from pkdoors.client.core.hosts import parseWaitPort
from pkdoors.commands._run import makeReporter, runBlocking
from pkdoors.commands.knock import addKnockOptions, addWaitOptions, makeAttempt
from pkdoors.commands.knocking.target import findMembers, findTarget
from pkdoors.commands.knocking.verbose import makeTrace
from pkdoors.commands.parser import Parser, asType
from pkdoors.errors import RelayError
from pkdoors.util.quoting import quoteHost


def addConnectCommand(command: Parser) -> None:
    """Add the options."""
    addKnockOptions(command)
    command.mayComeLate = command.add_argument(
        "port",
        metavar="PORT",
        nargs="?",
        type=asType(parseWaitPort),
        help="the TCP port to connect standard input and output to; not needed after HOST:PORT",
    )
    addWaitOptions(command)
    command.epilog = "Example: ssh -o ProxyCommand='pkdoors connect %h %p' home.example"
    command.set_defaults(run=_connect, parser=command)


def _connect(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    letSignalEnd(signal.SIGINT)  # Ctrl-C is meant for ssh, and no traceback must appear
    if findMembers(options, environment):
        options.parser.error(
            f"{quoteHost(options.host)} is a group: one connection cannot go to several hosts, "
            "so name one of them"
        )
    profile, given = findTarget(options, environment)
    port = _choosePort(options, given)
    attempt = makeAttempt(options, environment, profile, port, isRace=True)
    from pkdoors.client.blocking.driver import perform

    say, trace = makeReporter(options.parser), makeTrace(options, environment, attempt)
    connection = runBlocking(options.parser, lambda: perform(attempt, say, trace))[1]
    assert connection is not None
    from pkdoors.client.relay import Relay

    def explain(data: bytes) -> None:
        if line := attempt.explainGreeting(data):
            say(line)

    try:
        Relay(connection, 0, 1, explain).run()
    except RelayError as error:
        say(str(error))
        raise SystemExit(1) from error
    raise SystemExit(0)


def _choosePort(options: Namespace, given: int | None) -> int:
    """
    Return the port to connect to.

    @param given: the port that came with HOST.
    """
    parser: Parser = options.parser
    asked: int | None = options.port
    if asked and given and asked != given:
        parser.error(f"two different ports, {given} and {asked}: give one of them")
    if not (asked or given):
        parser.error("PORT is missing: write HOST PORT, or HOST:PORT")
    return asked or given or 0


def letSignalEnd(end: signal.Signals) -> None:
    """Let a signal end the process at once and silently, unless it is ignored."""
    if signal.getsignal(end) != signal.SIG_IGN:
        signal.signal(end, signal.SIG_DFL)
