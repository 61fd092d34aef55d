"""C{pkdoors knock} on the command line."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import NoReturn

from pkdoors.client.core.attempt import Attempt, Outcome, lookFor
from pkdoors.client.core.methods import Method, PlainMethod
from pkdoors.client.profilefile import readProfiles
from pkdoors.client.profiles import WOULD_USE, Profile, Profiles
from pkdoors.commands._run import hasTwisted, makeReporter, runBlocking, runReactor
from pkdoors.commands._sealoptions import (
    addKnockSealOptions,
    addSealOptions,
    checkPlain,
    chooseIdentity,
    makeSealedMethod,
)
from pkdoors.commands.parser import Parser, asType, completeWith, parseNumber
from pkdoors.errors import BadValue
from pkdoors.model.knockports import TcpPort
from pkdoors.model.ports import parseTcpPort
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import parseDuration
from pkdoors.util.output import requireWhole, tell
from pkdoors.util.quoting import quoteHost

MAX_NAMED = 20
"""Profiles that an error names if one is missing."""


def addKnockCommand(command: Parser) -> None:
    """Add the options."""
    addKnockOptions(command)
    add = command.add_argument
    add(
        "--wait",
        metavar="PORT",
        type=asType(parseTcpPort),
        help="wait until this TCP port answers, and knock again if it does not; this connects to "
        "it, which uses up an opening for one connection",
    )
    addKnockSealOptions(command)
    add(
        "--keep",
        action="store_true",
        help="keep the door open until Ctrl-C, even if this host's address changes",
    )
    addWaitOptions(command)
    command.set_defaults(run=_knock, parser=command)


def addKnockOptions(command: Parser) -> None:
    """Add the options of all commands that knock."""
    add = command.add_argument
    host = add(
        "host", metavar="HOST", help="name, address, or profile in ~/.config/pkdoors/hosts.toml"
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
        help="how long the door is to stay open, 10m, 1d or 1h30m (default: what the host grants)",
    )
    add(
        "--interval",
        metavar="TIME",
        default="20ms",
        type=asType(lambda text: parseDuration(text, least=0, most=10)),
        help="the time between two datagrams of a plain knock (default: %(default)s)",
    )
    addSealOptions(command)
    family = command.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="only IPv4")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="only IPv6")


def addWaitOptions(command: Parser) -> None:
    """Add the options of all commands that wait for a port."""
    add = command.add_argument
    add(
        "--timeout",
        metavar="TIME",
        default="5s",
        type=asType(lambda text: parseDuration(text, least=0.1, most=24 * 3600)),
        help="when waiting: how long to wait after each knock (default: %(default)s)",
    )
    add(
        "--tries",
        metavar="N",
        default="3",
        type=asType(lambda text: parseNumber(text, 1, 1000)),
        help="when waiting: how many knocks in all (default: %(default)s)",
    )


def makeAttempt(
    options: Namespace, environment: Mapping[str, str], port: int | None, isRace: bool = False
) -> Attempt:
    """
    Return the attempt that L{addKnockOptions} and L{addWaitOptions} ask for. HOST can be the name
    of a profile.

    @param port: the TCP port to wait for; L{None} to wait for none.
    @param isRace: see L{Attempt}.
    """
    profile = _findProfile(options, environment)
    return _makeAttemptWith(options, environment, profile, port, isRace)


def _makeAttemptWith(
    options: Namespace,
    environment: Mapping[str, str],
    profile: Profile,
    port: int | None,
    isRace: bool = False,
) -> Attempt:
    return Attempt(
        host=profile.address,
        method=_makeMethod(options, environment, profile),
        family=options.family,
        port=port,
        timeout=options.timeout,
        tries=options.tries,
        look=lookFor(profile.roundTrip),
        isRace=isRace,
    )


def _makeMethod(options: Namespace, environment: Mapping[str, str], profile: Profile) -> Method:
    sequence = _chooseSequence(options, environment, profile)
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
    return PlainMethod(sequence, seconds, options.interval)


def _findProfile(options: Namespace, environment: Mapping[str, str]) -> Profile:
    """Return the host's profile; if it has none, one with just its name."""
    parser: Parser = options.parser
    try:
        return _readProfiles(options, environment).get(options.host) or Profile(options.host)
    except BadValue as error:
        parser.error(str(error))


def _readProfiles(options: Namespace, environment: Mapping[str, str]) -> Profiles:
    parser: Parser = options.parser
    try:
        return readProfiles(environment)
    except BadValue as error:
        parser.error(str(error))


def _knock(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    if options.close and options.wait:
        options.parser.error("use --close or --wait, not both: nothing is going to open")
    if options.recipient and options.wait:
        options.parser.error(
            "use --for or --wait, not both: nothing is going to open for this host"
        )
    profile = _findProfile(options, environment)
    port = None if options.close or options.recipient else options.wait or profile.wait
    if port and profile.isOnce:
        options.parser.error(f"knock without --wait, because {WOULD_USE}: or use pkdoors connect")
    attempt = _makeAttemptWith(options, environment, profile, port)
    if options.keep:
        _keep(options, attempt)
    outcome = _perform(options.parser, attempt)
    tell(str(outcome))
    if outcome.note:
        makeReporter(options.parser)(outcome.note)
    raise SystemExit(0)


def _perform(parser: Parser, attempt: Attempt) -> Outcome:
    say = makeReporter(parser)
    if attempt.port is not None and hasTwisted():
        from pkdoors.client.reactor import driver

        return runReactor(parser, lambda reactor: driver.perform(reactor, attempt, say))
    from pkdoors.client.blocking.driver import perform

    return runBlocking(parser, lambda: perform(attempt, say))[0]


def _keep(options: Namespace, attempt: Attempt) -> NoReturn:
    if not hasTwisted():
        requireWhole(options.parser.prog, "--keep")
    from pkdoors.client.reactor.keepopen import KeepOpen

    parser: Parser = options.parser
    if options.close:
        parser.error("use --keep or --close, not both")
    if not attempt.method.seconds:
        parser.error("--keep needs --open-for: after two thirds of that time it knocks again")
    tell(runReactor(parser, lambda reactor: KeepOpen(attempt, reactor, makeReporter(parser)).run()))
    raise SystemExit(0)


def _chooseSequence(
    options: Namespace, environment: Mapping[str, str], profile: Profile
) -> Sequence:
    parser: Parser = options.parser
    found: Sequence | None = (
        options.magic_seq or _readVariable(environment, parser) or profile.sequence
    )
    if found:
        return found
    parser.error(
        "--magic-seq is missing, KNOCKER_SEQ is not set, "
        f"and no profile has the sequence of {quoteHost(options.host)}"
        + _suggestProfiles(_readProfiles(options, environment))
    )


def _suggestProfiles(profiles: Mapping[str, Profile]) -> str:
    """Return the end of an error that lists usable profiles: the name may be mistyped."""
    names = [repr(name) for name in islice(_listUsable(profiles), MAX_NAMED + 1)]
    if not names:
        return ""
    dots = ", ..." if len(names) > MAX_NAMED else ""
    return f": profiles with a sequence are {', '.join(names[:MAX_NAMED])}{dots}"


def _listUsable(profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Yield the names of profiles that have a sequence."""
    for name in profiles:
        with suppress(BadValue):  # a mistake in another profile is not what the user asks about
            if profiles[name].sequence:
                yield name


def _readVariable(environment: Mapping[str, str], parser: Parser) -> Sequence | None:
    if "KNOCKER_SEQ" not in environment:
        return None
    try:
        return Sequence.parse(environment["KNOCKER_SEQ"])
    except BadValue as error:
        parser.error(f"KNOCKER_SEQ: {error}")
