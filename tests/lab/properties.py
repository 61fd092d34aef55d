"""How hypothesis is used here: the same examples each time, so that no run fails by chance."""

from hypothesis import HealthCheck, settings

PROPERTY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
)
"""For C{@given}. Nothing is timed, since these machines are shared."""
