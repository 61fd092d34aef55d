"""Reports the seals that have opened or closed a door, for the other hosts of a fleet."""

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from pkdoors.doorkeeper.openings.lives import Lives
from pkdoors.doorkeeper.openings.settling import Key
from pkdoors.doorkeeper.outcome import REFUSED, Outcome
from pkdoors.locks.lock import Request


class SealReport:
    """
    This host comes first: a seal that opens is reported when its own firewalls have answered. One
    that closes is reported at once, because a closing can take a firewall for ever.

    @ivar onSeal: called with each request that has a seal, and was not refused.
    """

    _log = Logger()

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self.onSeal: Callable[[Request], object] = lambda request: None

    def follow(self, request: Request, key: Key, act: Callable[[Request], Outcome]) -> Outcome:
        """
        Act on a request that has a seal, and report the seal, now or later.

        @param key: the opening that it asks for.
        """
        if request.close:
            outcome = act(request)
            self._report(request)
            return outcome
        settled = self._lives.settled.next(key)  # before the request: they may answer at once
        settled.addCallbacks(
            lambda _: self._report(request), lambda failure: failure.trap(CancelledError) and None
        )
        outcome = act(request)
        life = self._lives.get(key)
        if outcome.result == REFUSED:
            settled.cancel()
            return outcome
        if life is None or life.isOpen():
            self._lives.settled.notify(key)
        return outcome

    def _report(self, request: Request) -> None:
        try:
            self.onSeal(request)
        except Exception:  # the door comes first
            self._log.failure("a seal could not be passed on")
