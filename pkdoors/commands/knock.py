"""C{pkdoors knock} on the command line."""

import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import NoReturn

from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.hosts import parseWaitPort
from pkdoors.client.core.methods import Identity, Method, PlainMethod, SealedMethod
from pkdoors.client.core.plan import RoundTrip
from pkdoors.client.profiles import WOULD_USE, Profile, parseInterval
from pkdoors.commands._run import hasTwisted, makeReporter, runBlocking, runReactor
from pkdoors.commands._sealoptions import (
    addKnockSealOptions,
    addSealOptions,
    checkPlain,
    chooseIdentity,
    makeSealedMethod,
)
from pkdoors.commands.knocking.pace import Pace
from pkdoors.commands.knocking.target import chooseSequence, findMembers, findTarget
from pkdoors.commands.knocking.verbose import addVerboseOption, makeTrace
from pkdoors.commands.parser import Parser, asType, completeWith, parseNumber
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import formatDuration, parseDuration
from pkdoors.util.output import requireWhole, tell
from pkdoors.util.quoting import quoteHost

KNOCK_TIMEOUT = 30.0
"""Seconds that a host gives a plain knock, from the first datagram to the last, by default."""
TRIES = "3"
"""How often the client knocks, by default."""


def addKnockCommand(command: Parser) -> None:
    """Add the options."""
    addKnockOptions(command)
    add = command.add_argument
    add(
        "--wait",
        metavar="PORT",
        type=asType(parseWaitPort),
        help="wait until this TCP port answers, and knock again if it does not (HOST:PORT means "
        "the same); this connects to it, which uses up an opening for one connection; it cannot be "
        "a UDP port: from outside, an open one looks like a closed one",
    )
    addKnockSealOptions(command)
    add(
        "--keep",
        action="store_true",
        help="keep the door open until Ctrl-C, even if this host's address changes",
    )
    addWaitOptions(command)
    command.epilog = "Example: pkdoors knock home --wait 22"
    command.ifNumber = ": to wait for a port, use --wait PORT"
    command.set_defaults(run=_knock, parser=command)


def addKnockOptions(command: Parser) -> None:
    """Add the options of all commands that knock."""
    add = command.add_argument
    host = add(
        "host",
        metavar="HOST",
        help="name or address, also as user@HOST, HOST:PORT, [ADDRESS]:PORT or ssh://HOST; "
        "or profile, or group of profiles, in ~/.config/pkdoors/hosts.toml",
    )
    completeWith(host, "listProfiles")
    add(
        "-m",
        "--magic-seq",
        metavar="PORTS",
        type=asType(Sequence.parse),
        help="the sequence, 17001,17203/tcp,... (default: KNOCKER_SEQ from the environment)",
    )
    add(
        "--open-for",
        metavar="TIME",
        type=asType(parseDuration),
        help="how long the door is to stay open, 10m, 1d or 1h30m (default: the door's own time)",
    )
    add(
        "--interval",
        metavar="TIME",
        type=asType(parseInterval),
        help="the time between two datagrams of a plain knock (default: 20ms, or less for the "
        "first of several knocks on a host nearby)",
    )
    addSealOptions(command)
    addVerboseOption(command)
    family = command.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="only IPv4")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="only IPv6")


def addWaitOptions(command: Parser) -> None:
    """Add the options of all commands that wait for a port."""
    add = command.add_argument
    add(
        "--timeout",
        metavar="TIME",
        type=asType(_parseTimeout),
        help="when waiting: how long to wait after each knock (default: 5s; 7s after a plain "
        "knock, because a host ignores a network for some seconds after a wrong one)",
    )
    add(
        "--tries",
        metavar="N",
        type=asType(_parseTries),
        help=f"when waiting: how many knocks in all (default: {TRIES})",
    )


def _parseTimeout(text: str) -> float:
    return parseDuration(text, least=0.1, most=24 * 3600)


def _parseTries(text: str) -> int:
    return parseNumber(text, 1, 1000)


def makeAttempt(
    options: Namespace,
    environment: Mapping[str, str],
    profile: Profile,
    port: int | None,
    isRace: bool = False,
) -> Attempt:
    """
    Return the attempt that L{addKnockOptions} and L{addWaitOptions} ask for.

    @param port: the TCP port to wait for; L{None} to wait for none.
    @param isRace: see L{Attempt}.
    """
    method = _makeMethod(options, environment, profile)
    roundTrip = profile.roundTrip
    return Attempt(
        host=profile.address,
        method=method,
        family=options.family,
        port=port,
        timeout=options.timeout or method.patience,
        tries=options.tries or _parseTries(TRIES),
        isRace=isRace,
        path=None if roundTrip is None else RoundTrip(roundTrip, roundTrip / 8),
    )


def _makeMethod(options: Namespace, environment: Mapping[str, str], profile: Profile) -> Method:
    sequence = chooseSequence(options, environment, profile)
    identity = chooseIdentity(options, profile)
    if identity is not None:
        return makeSealedMethod(options, environment, profile, sequence, identity)
    checkPlain(options, profile)
    seconds = options.open_for or profile.openFor or 0
    if seconds and isinstance(sequence.ports[-1], TcpPort):
        options.parser.error(
            "a knock on a TCP port cannot ask for a time: remove --open-for (open_for in the "
            "host's profile), or use a sequence that ends with a UDP port"
        )
    interval = profile.interval if options.interval is None else options.interval
    _warnSlow(options, (interval or 0.0) * (len(sequence.ports) - 1))
    return PlainMethod(sequence, seconds, interval)


def _warnSlow(options: Namespace, seconds: float) -> None:
    """Tell the user if a knock takes too long: a bare number is seconds, not milliseconds."""
    if seconds > KNOCK_TIMEOUT:
        makeReporter(options.parser)(
            f"the knock takes {formatDuration(seconds)}, but a host gives it "
            f"{formatDuration(KNOCK_TIMEOUT)} unless its knock_timeout is longer: use a shorter "
            "--interval, such as 50ms (interval in the host's profile)"
        )


def _knock(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    members = findMembers(options, environment)
    if members:
        _knockGroup(options, environment, members)
    profile, given = findTarget(options, environment)
    port = _choosePort(options, options.wait or given, profile)
    attempt = makeAttempt(options, environment, profile, port)
    _warnIgnored(options, [] if port else [""])
    if options.keep:
        _keep(options, environment, attempt)
    pace = Pace(attempt, environment)
    runBlocking(options.parser, lambda: time.sleep(pace.left()))
    outcome = _perform(options, environment, attempt)
    pace.note()
    tell(str(outcome))
    if outcome.note:
        makeReporter(options.parser)(outcome.note)
    raise SystemExit(0)


def _knockGroup(
    options: Namespace, environment: Mapping[str, str], members: Iterable[str]
) -> NoReturn:
    from pkdoors.commands.knocking.group import knockOnAll, optionsFor

    if options.keep:
        options.parser.error(
            f"use --keep with one host: {quoteHost(options.host)} is a group, whose hosts can each "
            "be kept open by a client of their own"
        )
    attempts: dict[str, Attempt] = {}
    identities: dict[str, Identity] = {}
    for name in members:
        own = optionsFor(options, name)
        profile = findTarget(own, environment).profile
        port = _choosePort(own, options.wait, profile)
        attempt = makeAttempt(own, environment, profile, port)
        key = chooseIdentity(own, profile)
        if key and isinstance(attempt.method, SealedMethod):  # so it asks for a passphrase once
            identity = identities.setdefault(key, attempt.method.identity)
            attempt = attempt._replace(method=attempt.method._replace(identity=identity))
        attempts[name] = attempt
    _warnIgnored(options, [name for name, each in attempts.items() if each.port is None])
    traces = {
        name: makeTrace(optionsFor(options, name), environment, attempt)
        for name, attempt in attempts.items()
    }
    knockOnAll(options.parser, attempts, traces)


def _choosePort(options: Namespace, asked: int | None, profile: Profile) -> int | None:
    """
    Return the port to wait for; L{None} for none.

    @param asked: the port that the command line asks for.
    """
    parser: Parser = options.parser
    if options.close and asked:
        parser.error("use --close or --wait, not both: nothing is going to open")
    if options.recipient and asked:
        parser.error("use --for or --wait, not both: nothing is going to open for this host")
    port = None if options.close or options.recipient else asked or profile.wait
    if port and profile.isOnce:
        parser.error(f"knock without --wait, because {WOULD_USE}: or use pkdoors connect")
    return port


def _warnIgnored(options: Namespace, unwatched: list[str]) -> None:
    """
    Tell the user about options that have no effect, because nothing is waited for.

    @param unwatched: the hosts without a port to wait for; an empty name for the only one.
    """
    given = {"--tries": options.tries, "--timeout": options.timeout}
    ignored = [name for name, value in given.items() if value]
    if ignored and unwatched:
        verb = "is" if len(ignored) == 1 else "are"
        where = f" for {', '.join(unwatched)}" if unwatched[0] else ""
        makeReporter(options.parser)(
            f"{' and '.join(ignored)} {verb} ignored{where}: the client waits for no port, so it "
            "cannot see whether the door opens, and does not knock again"
        )


def _perform(options: Namespace, environment: Mapping[str, str], attempt: Attempt) -> Outcome:
    parser: Parser = options.parser
    say, trace = makeReporter(parser), makeTrace(options, environment, attempt)
    # Elsewhere, the tests run only the blocking driver, so that one it is.
    if attempt.port is not None and sys.platform == "linux" and hasTwisted():
        from pkdoors.client.reactor import driver

        return runReactor(parser, lambda reactor: driver.perform(reactor, attempt, say, trace))
    from pkdoors.client.blocking.driver import perform

    return runBlocking(parser, lambda: perform(attempt, say, trace))[0]


def _keep(options: Namespace, environment: Mapping[str, str], attempt: Attempt) -> NoReturn:
    if not hasTwisted():
        requireWhole(options.parser.prog, "--keep")
    from pkdoors.client.reactor.keepopen import KeepOpen

    parser: Parser = options.parser
    if options.close:
        parser.error("use --keep or --close, not both")
    if not attempt.method.seconds:
        parser.error("--keep needs --open-for: after two thirds of that time it knocks again")
    say, trace = makeReporter(parser), makeTrace(options, environment, attempt)
    tell(runReactor(parser, lambda reactor: KeepOpen(attempt, reactor, say, trace).run(), True))
    raise SystemExit(0)
