"""What is said of the hosts of a fleet, in words. Pure."""

import re
from collections.abc import Collection
from datetime import datetime

from pkdoors.fleet.streams import LASTS
from pkdoors.util.durations import formatDuration, formatLength

CLOCK = 5.0
"""Seconds that a host's clock may differ from the engine's."""
MAX_NAMED = 3
"""Hosts that are named."""
MAX_LINE = 60
"""Columns of what somebody else wrote."""

_FINGERPRINT = re.compile(r"(SHA256:[A-Za-z0-9+/]{8})[A-Za-z0-9+/=]+")
"""Of a key; its beginning is enough to recognize it."""


def describeDown(host: str) -> str:
    """Return a sentence about a host that is down."""
    return (
        f"{host} has not reported for {formatDuration(LASTS)}: it is down, or its fleet process "
        "is, or it cannot reach the engine"
    )


def describeUnread(host: str, unread: Collection[str]) -> str:
    """Return a sentence about a host that does not read the streams of some others."""
    named = nameHosts(unread)
    return f"{host} does not read the streams of {named}: knocks at {named} open nothing on {host}"


def describeDropped(host: str, count: int) -> str:
    """Return a sentence about a host that could not publish some seals."""
    return (
        f"{host} could not pass on {count:,} knock{'s' * (count != 1)} since its start, because "
        "too many waited for the engine"
    )


def describeClock(host: str, ahead: float) -> str:
    """Return a sentence about a clock that is wrong."""
    how = "ahead of" if ahead > 0 else "behind"
    return f"the clock of {host} is {formatLength(abs(ahead))} or more {how} the engine's"


def nameHosts(hosts: Collection[str]) -> str:
    """Return the names of a few hosts, and how many more there are."""
    named = [*hosts][:MAX_NAMED]
    more = len(hosts) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def describeHosts(hosts: Collection[str], lacking: Collection[str]) -> str:
    """Return which hosts have an opening."""
    if not lacking:
        return f"all {len(hosts)}" if len(hosts) > 1 else nameHosts(hosts)
    if len(lacking) < len(hosts):
        return f"not {nameHosts(lacking)}"
    return nameHosts(hosts)


def formatTime(stamp: int) -> str:
    """Return the time of an order on the clock of the user; an impossible one as a number."""
    try:
        return f"{datetime.fromtimestamp(stamp / 1000):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(stamp)


def shorten(text: str) -> str:
    """Return a text in which fingerprints are cut."""
    return _FINGERPRINT.sub(r"\1...", cut(text, 2 * MAX_LINE))


def cut(text: str, most: int = MAX_LINE) -> str:
    """Return a text that is not longer than that."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
