"""What firewalld has in its zones, asked with patience, but not for ever."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld._exposures import findExposures
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import isRunning
from pkdoors.firewall.firewalld.zones import Zone

SURVEY_TIMEOUT = 5.0
"""Seconds that firewalld may take; it takes about 0.3 for ten zones, and D-Bus itself waits 25."""

T = TypeVar("T")


class SurveyClient(ZoneClient):
    """Looks at zones as a whole."""

    def survey(self) -> list[Zone]:
        """
        The zones in which knocks can arrive.

        @raise FirewallError: firewalld refused, or cannot be reached.
        """
        return [self._look(zone) for zone in self.knockZones()]

    def _look(self, zone: str) -> Zone:
        target = str(self._ask("getZoneSettings", zone).getTarget())
        return Zone(zone, target, tuple(findExposures(zone, self._ask)), tuple(self.rules(zone)))


def isFirewalldThere() -> bool:
    """
    Whether firewalld runs.

    @raise FirewallError: that cannot be asked, or there was no answer.
    """
    return waitFor(SURVEY_TIMEOUT, isRunning)


def surveyZones(zone: str, makeClient: Callable[[str], SurveyClient] = SurveyClient) -> list[Zone]:
    """
    The zones in which knocks can arrive.

    @param zone: the only one that counts; empty for all.
    @raise FirewallError: firewalld refused, or did not answer.
    """
    return waitFor(SURVEY_TIMEOUT, lambda: makeClient(zone).survey())


def waitFor(seconds: float, work: Callable[[], T]) -> T:
    """
    Do what blocks, but do not wait longer than this: the thread stays behind, and ends with us.

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
            f"firewalld did not answer within {seconds:g} s: see what it does "
            "(`systemctl status firewalld`), or `systemctl restart firewalld`"
        ) from None
