"""Asks firewalld for the contents of its zones, but does not wait for ever."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld._exposures import findExposures
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import isRunning
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.util.durations import formatDuration

SURVEY_TIMEOUT = 5.0
"""Seconds that firewalld has; it needs about 0.3 for ten zones, and D-Bus itself waits 25."""

T = TypeVar("T")


class SurveyClient(ZoneClient):
    """Reads whole zones."""

    def survey(self) -> list[Zone]:
        """
        Return the zones in which knocks can arrive.

        @raise FirewallError: firewalld refused, or did not answer.
        """
        return [self._look(zone) for zone in self.knockZones()]

    def _look(self, zone: str) -> Zone:
        target = str(self.ask("getZoneSettings", zone).getTarget())
        return Zone(zone, target, tuple(findExposures(zone, self.ask)), tuple(self.rules(zone)))


def isFirewalldThere() -> bool:
    """
    Return whether firewalld runs.

    @raise FirewallError: C{python3-dbus} is missing, or there was no answer.
    """
    return waitFor(SURVEY_TIMEOUT, isRunning)


def surveyZones(zone: str, makeClient: Callable[[str], SurveyClient] = SurveyClient) -> list[Zone]:
    """
    Return the zones in which knocks can arrive.

    @param zone: the only zone to read; empty for all.
    @raise FirewallError: firewalld refused, or did not answer.
    """
    return waitFor(SURVEY_TIMEOUT, lambda: makeClient(zone).survey())


def waitFor(seconds: float, work: Callable[[], T]) -> T:
    """
    Do blocking work in a thread, and wait for it, but not longer than this. If it takes longer, the
    thread is left running until the process ends.

    @raise FirewallError: it took longer.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise FirewallError(
            f"firewalld did not answer within {formatDuration(seconds)}: check it "
            "(`systemctl status firewalld`), or run `systemctl restart firewalld`"
        ) from None
