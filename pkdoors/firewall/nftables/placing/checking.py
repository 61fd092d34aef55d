"""Checks the guard after more changes by others than the socket could hold."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.errors import FirewallError
from pkdoors.firewall.nftables.placing.healing import GuardHealer
from pkdoors.firewall.nftables.placing.placer import GuardPlacer

MARGIN = 1.0
"""Seconds before its deadline during which an opening may already be missing in the kernel."""


class GuardChecker:
    """
    @param lookAtWays: called when the ways past the guard may have changed, too.
    @param onChanged: called with the name of the process that has changed the guard.
    """

    def __init__(
        self,
        reactor: Any,
        placer: GuardPlacer,
        healer: GuardHealer,
        lookAtWays: Callable[[], None],
        onChanged: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._placer = placer
        self._healer = healer
        self._lookAtWays = lookAtWays
        self._onChanged = onChanged
        self._isChecking = self._mustCheck = False  # the openings

    def onOverflow(self) -> None:
        """Check whether the guard is still ours, after more changes than the socket could hold."""
        self._lookAtWays()
        if not self._placer.hasSameRules(self._reactor.seconds()):
            self._onChanged("somebody")
        elif self._isChecking:
            self._mustCheck = True
        else:
            Deferred.fromCoroutine(self._check())

    async def _check(self) -> None:
        """Check the openings."""
        self._isChecking, self._mustCheck = True, False
        try:
            isIntact = await self._healer.isIntact(self._reactor.seconds() + MARGIN)
        except FirewallError:
            isIntact = False
        self._isChecking = False
        if not isIntact:
            self._onChanged("somebody")
        elif self._mustCheck:
            self.onOverflow()
