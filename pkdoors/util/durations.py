"""Times as people write them: C{45}, C{45s}, C{10m}, C{8h}, C{7d}, C{1h30m}, C{20ms}."""

import re
from math import ceil

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

MAX_DURATION = 30 * 24 * 3600.0
"""The longest time allowed anywhere, in seconds. A door that is open longer is not a door."""

_UNITS = {"d": 86_400_000, "h": 3600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds in each unit, the largest first."""

_PLAIN = re.compile(r"[0-9]{1,9}")
_PARTS = re.compile(
    r"(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?"
    r"(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?"
)


def parseDuration(text: str, least: float = 1.0, most: float = MAX_DURATION) -> float:
    """
    Parse a time.
    @param least: the shortest time allowed, in seconds.
    @param most: the longest time allowed, in seconds.
    @return: seconds.
    @raise BadValue: it is not a time, or outside those bounds.
    """
    seconds = _seconds(text.strip())
    if seconds is None or not least <= seconds <= most:
        examples = "20ms, 2s or 1s500ms" if most < 45 else "45, 45s, 10m, 8h, 7d or 1h30m"
        raise BadValue(
            f"{shown(text)} is not a time from {formatDuration(least)} to {formatDuration(most)}: "
            f"write it like {examples}"
        )
    return seconds


def _seconds(text: str) -> float | None:
    if _PLAIN.fullmatch(text):
        return float(text)
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    counts = zip(match.groups(default="0"), _UNITS.values(), strict=True)
    return sum(int(count) * size for count, size in counts) / 1000


def formatDuration(seconds: float) -> str:
    """
    Format a time, to the millisecond, in the form that L{parseDuration} reads.
    """
    left, parts = round(seconds * 1000), []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def formatLength(seconds: float) -> str:
    """
    Format a length of time to the second, C{4m12s}; one below 0 as 0.
    """
    return formatDuration(max(0, round(seconds)))


def formatWait(seconds: float) -> str:
    """
    Format how long somebody has to wait, in whole seconds, rounded up: after that it is over.
    """
    return formatDuration(max(0, ceil(seconds)))
