"""Guards the ways that lead past the protected ports, as they come and go."""

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import DirectWay, Guard
from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.nftables.placing.currentguard import CurrentGuard
from pkdoors.firewall.nftables.placing.placer import GuardPlacer
from pkdoors.firewall.ways.ways import Throttle, WaysFinder
from pkdoors.model.doors import listProtectedPorts
from pkdoors.util.lane import Lane


class WaysKeeper:
    """
    @param lane: writes the ways beside the reactor.
    @param isChanging: returns whether a reload takes its turns.
    @param onLost: called with a sentence if the ways cannot be guarded.
    @ivar finder: finds the ways.
    """

    def __init__(
        self,
        clock: IReactorTime,
        lane: Lane,
        current: CurrentGuard,
        placer: GuardPlacer,
        isChanging: Callable[[], bool],
        onLost: Callable[[str], None],
    ) -> None:
        self._lane = lane
        self._current = current
        self._placer = placer
        self._isChanging = isChanging
        self._onLost = onLost
        self._throttle = Throttle(clock, self._update)
        self.finder: WaysFinder

    def look(self) -> None:
        """Look soon."""
        self._throttle.want()

    def stop(self) -> None:
        """Look no more."""
        self._throttle.stop()

    def addTo(self, guard: Guard) -> Guard:
        """Return a guard with the ways that lead past its ports now, as far as they can be read."""
        direct = self.finder.find(listProtectedPorts(guard.doors), before=guard.direct)
        return replace(guard, direct=direct)

    def reportFirst(self) -> None:
        """Report the ways that are guarded from the start; if that failed, look again."""
        self.finder.report((), self._current.guard.direct)
        if self.finder.isFailing:
            self.look()

    def _update(self) -> Generator[Deferred[bool] | None, Any, bool]:
        """
        Guard the ways that lead past the protected ports now.

        @return: whether that failed.
        """
        before = self._current.guard
        direct = yield from self.finder.look(listProtectedPorts(before.doors), before.direct)
        if direct == self._current.guard.direct:
            return self.finder.isFailing
        try:
            isWritten = yield self._lane.run(partial(self._write, before, direct))
        except GuardGone:
            pass  # the healing puts it back with these ways
        except FirewallError as error:
            self._onLost(f"the ways to containers cannot be guarded ({error})")
        else:
            if not isWritten:
                return True
            self.finder.report(before.direct, direct)
        return self.finder.isFailing

    def _write(self, before: Guard, direct: tuple[DirectWay, ...]) -> bool:
        """Guard other ways. Return whether that was possible."""
        present = self._current.guard
        if self._isChanging() or before.doors is not present.doors:
            return False  # a reload has changed the doors meanwhile
        self._current.guard = guard = replace(present, direct=direct)
        self._placer.writeWays(present, guard)
        return True
