"""What the operator's commands say, in lines. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pkdoors.adminclient.responses import ClosingState, OpeningState
from pkdoors.util.durations import formatDuration

MAX_LINES = 20
"""Openings told one by one; of more it is told how many."""

_DAY = 24 * 3600.0


def length(seconds: float) -> str:
    """A time to the second, C{4m12s}."""
    return formatDuration(max(0, round(seconds)))


def droppedText(dropped: Mapping[str, int]) -> str:
    """C{12 too many from one source, 4,512 no knocks}; what is 0 is left out."""
    return ", ".join(
        f"{count:,} {_REASONS.get(reason, reason)}" for reason, count in dropped.items() if count
    )


_REASONS = {
    "limit": "too many from one source",
    "junk": "no knocks",
    "overflow": "more than there was room for",
}


def openLine(opening: OpeningState, asked: float = 0.0) -> str:
    """
    C{door ssh (22/tcp) is open for 192.0.2.7 until 08:10:00 (10m)}.

    @param asked: the seconds that were asked for; 0 for the door's own.
    """
    line = (
        f"door {opening.door} ({opening.ports}) is open for {opening.source} until "
        f"{until(opening)} ({length(opening.secondsLeft)})"
    )
    isLonger = asked > 0 and round(opening.secondsLeft) > round(asked)
    return f"{line}: {_LONGER}" if isLonger else line


def until(opening: OpeningState) -> str:
    """The deadline on the operator's clock; with its day where that is not clear."""
    moment = datetime.fromtimestamp(round(opening.until.timestamp()))  # as the log rounds it
    return f"{moment:%H:%M:%S}" if opening.secondsLeft < _DAY else f"{moment:%Y-%m-%d %H:%M:%S}"


def closedLines(closed: Sequence[OpeningState]) -> list[str]:
    """What was closed."""
    if len(closed) > MAX_LINES:
        return [f"closed {len(closed)} openings"]
    return [f"closed door {each.door} for {each.source}" for each in closed]


def followingLines(closing: Sequence[ClosingState]) -> list[str]:
    """What the guard has closed, and firewalld is about to."""
    done = [each.opening for each in closing if each.isDone]
    if len(done) > MAX_LINES:
        return [f"closed {len(done)} openings: {_FOLLOWING}"]
    return [f"closed door {each.door} for {each.source}: {_FOLLOWING}" for each in done]


def closingLines(closing: Sequence[ClosingState]) -> list[str]:
    """What a firewall still refuses to close."""
    refused = [each for each in closing if not each.isDone]
    if len(refused) > MAX_LINES:
        return [f"{len(refused)} openings are still closing: {_TRYING}"]
    return [_closingLine(each.opening, each.isShut) for each in refused]


def _closingLine(opening: OpeningState, isShut: bool) -> str:
    trouble = f"{opening.trouble}: " if opening.trouble else ""
    trying = _SHUT if isShut else _TRYING
    return f"door {opening.door} is still closing for {opening.source}: {trouble}{trying}"


_LONGER = "it was open for longer already; to shorten that, close it, then open it again"

_FOLLOWING = "nobody comes in any more, and firewalld follows"

_TRYING = "the daemon keeps trying, and the kernel closes it at its deadline in any case"

_SHUT = "nobody comes in any more, the guard has closed it, and the daemon keeps trying"


def troubleLines(openings: Sequence[OpeningState]) -> list[str]:
    """What is the matter with openings."""
    return [
        f"door {each.door} is {'' if each.isOpen else 'not '}open for {each.source}: {each.trouble}"
        for each in openings
        if each.trouble
    ]
