"""Tests of L{pkdoors.daemon.process.ownname}."""

from twisted.application.app import AppLogger
from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogPublisher,
    eventAsText,
    formatEvent,
    globalLogPublisher,
)
from twisted.scripts import twistd
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors import __version__
from pkdoors.daemon.process.ownname import OwnName


class OwnNameTests(SynchronousTestCase):
    """Lines of twistd's, and others."""

    def setUp(self) -> None:
        """Note what is handed on."""
        self.events: list[LogEvent] = []
        self.observer = OwnName("pkdoors", self.events.append)  # type: ignore[arg-type]
        verifyObject(ILogObserver, self.observer)

    def test_theirs(self) -> None:
        """The lines that the installed Twisted writes at the start and at the end have our name."""
        logger: AppLogger = twistd._SomeApplicationRunner.loggerFactory({})  # type: ignore[attr-defined]
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)
        logger._initialLog()
        logger.stop()
        lines = [eventAsText(event) for event in self.events]
        self.assertEqual(3, len(lines), lines)
        self.assertIn(f"[pkdoors#info] pkdoors {__version__.public()} starts (Python 3.", lines[0])
        self.assertIn("Server Shut Down", lines[2])
        self.assertEqual([], [line for line in lines if "twistd" in line])

    def test_others(self) -> None:
        """All other lines stay as they are."""
        publisher = LogPublisher(self.observer)
        Logger("pkdoors.x", observer=publisher).info("twistd {version} is here", version=1)
        (event,) = self.events
        found = (event["log_namespace"], formatEvent(event))
        self.assertEqual(("pkdoors.x", "twistd 1 is here"), found)
