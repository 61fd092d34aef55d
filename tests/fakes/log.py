"""What is logged while a test runs."""

import os
import time

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase


class Log:
    """
    What is logged while a test runs.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self._events = EventLoggingObserver()
        globalLogPublisher.addObserver(self._events)
        test.addCleanup(globalLogPublisher.removeObserver, self._events)

    def lines(self, *levels: LogLevel) -> list[str]:
        """Return the lines of some levels, or of all, as the operator sees them."""
        return [
            formatEvent(event)
            for event in self._events
            if not levels or event["log_level"] in levels
        ]

    def levels(self) -> list[str]:
        """Return the level of each line."""
        return [event["log_level"].name for event in self._events]


def useUTC(test: SynchronousTestCase) -> None:
    """Show times of day in UTC while a test runs."""

    def use(zone: str | None) -> None:
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    test.addCleanup(use, os.environ.get("TZ"))
    use("UTC")
