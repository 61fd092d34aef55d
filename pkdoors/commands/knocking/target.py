"""What HOST stands for: a profile, or a host without one; and which sequence to knock with."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from pkdoors.client.core.hosts import parseHost
from pkdoors.client.profilefile import locateProfiles, readProfiles
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.commands.parser import Parser
from pkdoors.errors import BadValue
from pkdoors.model.sequence import Sequence
from pkdoors.util.quoting import quoteHost

MAX_NAMED = 20
"""Profiles that an error names if one is missing."""


class Target(NamedTuple):
    """
    A host to knock on.

    @ivar profile: if it has none, one with just its address.
    @ivar port: the TCP port that was given with it; L{None} if there was none.
    """

    profile: Profile
    port: int | None = None


def findTarget(options: Namespace, environment: Mapping[str, str]) -> Target:
    """Return what HOST stands for. The name of a profile counts first, as it is written."""
    parser: Parser = options.parser
    try:
        return _findTarget(options.host, readProfiles(environment))
    except BadValue as error:
        parser.error(str(error))


def _findTarget(text: str, profiles: Profiles) -> Target:
    profile, port = profiles.get(text), None
    if profile is None:
        name, port = parseHost(text)
        short = name.removesuffix(".")
        profile = profiles.get(name) or profiles.get(short) or Profile(name)
    address = parseHost(profile.address)
    if address.port and profile.address != text:
        raise BadValue(
            f"the address in the profile of {quoteHost(text)} has a port: "
            "remove it, and write wait = PORT"
        )
    return Target(profile._replace(address=address.name), port or address.port)


def findMembers(options: Namespace, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the hosts, each with a profile, if HOST is a group; none if not."""
    parser: Parser = options.parser
    try:
        return readProfiles(environment).findGroup(options.host)
    except BadValue as error:
        parser.error(str(error))


def chooseSequence(
    options: Namespace, environment: Mapping[str, str], profile: Profile
) -> Sequence:
    """Return the sequence from the command line, the environment, or the profile, in this order."""
    parser: Parser = options.parser
    found: Sequence | None = (
        options.magic_seq or _readVariable(environment, parser) or profile.sequence
    )
    if found:
        return found
    try:
        suggestion = _suggestProfiles(readProfiles(environment), locateProfiles(environment))
    except BadValue as error:
        parser.error(str(error))
    parser.error(
        "--magic-seq is missing, KNOCKER_SEQ is not set, "
        f"and no profile has the sequence of {quoteHost(options.host)}{suggestion}"
    )


def _suggestProfiles(profiles: Profiles, path: str | None) -> str:
    """
    Return the end of an error that lists usable profiles: the name may be mistyped. If there is
    none, it names the file for them.
    """
    names = [repr(name) for name in islice(_listUsable(profiles), MAX_NAMED + 1)]
    if not names:
        return f": {path} has none" if path else ""
    dots = ", ..." if len(names) > MAX_NAMED else ""
    return f": profiles with a sequence are {', '.join(names[:MAX_NAMED])}{dots}"


def _listUsable(profiles: Profiles) -> Iterator[str]:
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
