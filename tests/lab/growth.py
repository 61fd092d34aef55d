"""Counts what code does, to see how its work grows: times differ on a busy machine, counts not."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def countCalls(work: Callable[[], object]) -> int:
    """Return how many functions some work calls, of Python and of C."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def measureGrowth(makeWork: Callable[[int], Callable[[], object]], few: int, factor: int) -> float:
    """
    Return how many times as many calls the work with C{few * factor} things takes as with C{few},
    for each of them: 1 if it grows with their number, C{factor} if it grows with its square.

    @param makeWork: prepares the work with so many things.
    """
    makeWork(few)()  # what is made only once
    calls = [countCalls(makeWork(count)) for count in (few, few * factor)]
    return calls[1] / calls[0] / factor
