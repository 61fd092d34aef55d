"""The text of profiles, and changes to a file with many of them. Pure."""

import re

from pkdoors.client._tables import MAX_NAME, readTables
from pkdoors.client.export.subject import Subject
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.errors import BadValue
from pkdoors.model.knockports import KnockPort
from pkdoors.util.durations import formatDuration
from pkdoors.util.oneline import oneLine
from pkdoors.util.toml import quoteString

_ASIDE = re.compile(r"[ \t\r]*(?:#.*)?")
"""A line without a key: blank, or a comment."""


def renderToml(subject: Subject) -> str:
    """Return the text of a profile."""
    return renderProfile(subject.name, subject.profile)


def renderProfile(name: str, profile: Profile) -> str:
    """Return the text of a profile."""
    return "\n".join(_renderLines(name, profile)) + "\n"


def describeProfile(name: str, profile: Profile) -> str:
    """Return the text of a profile without its secret."""
    lines = _renderLines(name, profile)
    hidden = "# sequence: not shown"
    return "\n".join(hidden if line.startswith("sequence") else line for line in lines) + "\n"


def _renderLines(name: str, profile: Profile) -> list[str]:
    key = name if re.fullmatch("[A-Za-z0-9_-]+", name) else quoteString(name)
    ports = ", ".join(map(_writePort, profile.sequence.ports if profile.sequence else ()))
    isDefault = profile.isSealed is (profile.identity is not None)
    values = {
        "address": quoteString(profile.address),
        "sequence": f"[{ports}]" if ports else "",
        "wait": str(profile.wait or ""),
        "uses": '"once"' if profile.isOnce else "",
        # A plain knock names no door: the client refuses a door's name in its profile.
        "door": quoteString(profile.door) if profile.door else "",
        "sealed": "" if isDefault else str(profile.isSealed).lower(),
        "identity": quoteString(profile.identity) if profile.identity else "",
        "open_for": _writeTime(profile.openFor),
        "round_trip": _writeTime(profile.roundTrip),
        "interval": _writeTime(profile.interval),
        "bind": quoteString(profile.bind) if profile.bind else "",
        "payload": '"any"' if profile.hearsAny else "",
    }
    return [f"[hosts.{key}]", *(f"{key} = {value}" for key, value in values.items() if value)]


def _writeTime(seconds: float | None) -> str:
    return "" if seconds is None else quoteString(formatDuration(seconds))


def _writePort(port: KnockPort) -> str:
    return str(port) if isinstance(port, int) else quoteString(str(port))


def addProfile(text: str, name: str, profile: Profile, isReplaced: bool = False) -> str:
    """
    Return a text with one more profile. Everything else in it stays as it is, comments included.

    @param isReplaced: whether to replace a profile of that name.
    @raise BadValue: there is a profile or a group of that name, or something is wrong with the
        text.
    """
    before, shownName = Profiles(text), oneLine(name, MAX_NAME)
    if name in {*before.groups()}:
        raise BadValue(f"{shownName} is a group: use --name NAME")
    lines = renderProfile(name, profile)
    if name not in {*before}:
        end = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        changed = text + end + lines
    elif isReplaced:
        changed = _replace(before, name, lines)
    else:
        raise BadValue(
            f"there is a profile {shownName} already: use --replace, or --name NAME for another one"
        )
    _checkChange(text, changed, name, profile)
    return changed


def _replace(profiles: Profiles, name: str, lines: str) -> str:
    """Return the text with other lines in place of a profile, whose comments follow them."""
    span = profiles.findSpan(name)
    if span is None:
        raise BadValue(
            f"the profile {oneLine(name, MAX_NAME)} is written in an unusual way: edit it by hand"
        )
    text = profiles.text
    old = text[span[0] : span[1]].split("\n")[1:]
    kept = "\n".join(line for line in old if _ASIDE.fullmatch(line))
    return text[: span[0]] + lines + kept + text[span[1] :]


def _checkChange(before: str, after: str, name: str, profile: Profile) -> None:
    """
    Check that a change has done what it should, and nothing else.

    @raise BadValue: it has not. The text is written in an unusual way, or it was wrong before.
    """
    old = readTables(before)
    old["hosts"].pop(name, None)
    try:
        new = readTables(after)
        isRight = Profiles(after)[name] == profile
    except BadValue:
        isRight = False
    else:
        del new["hosts"][name]
    if not isRight or old != new:
        raise BadValue("the file is written in an unusual way: add the profile by hand")
