"""How hypothesis is used here: the same examples each time, so that no run fails by chance."""

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("PKDOORS_NIGHTLY") == "1"
"""Whether slow tests try all of their examples."""


def ordinarily(few: int, nightly: int) -> int:
    """Return how many examples a slow test tries: few, unless it is a nightly run."""
    return nightly if NIGHTLY else few


PROPERTY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=ordinarily(50, 100),
    suppress_health_check=list(HealthCheck),
)
"""For C{@given}. Nothing is timed, since these machines are shared."""

SLOW = settings(PROPERTY, max_examples=ordinarily(15, 100))
"""For C{@given}, if 100 examples take more than half a second."""
