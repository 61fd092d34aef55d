"""Serves the operator's page on the loopback, until nobody looks at it any more."""

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from pkdoors.web._checks import Checks
from pkdoors.web._presence import Presence
from pkdoors.web._site import WebSite
from pkdoors.web.adminside import IAdminSide
from pkdoors.web.sessions import Sessions

LOOPBACK = "127.0.0.1"
BACKLOG = 64
"""Connections that wait until they are accepted."""
AWAY = "no page has been open for ten minutes: start it again when you need it"


class End(NamedTuple):
    """
    Why the page ends.

    @ivar isFault: whether something went wrong.
    """

    sentence: str
    isFault: bool


class WebServer:
    """
    Serves the page.

    @param side: the host that it shows.
    @param show: shows a link to the user.
    """

    def __init__(self, reactor: Any, side: IAdminSide, show: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._side = side
        self._show = show
        self._sessions = Sessions()
        self._port = 0
        self._ended: Deferred[End] = Deferred()

    async def run(self) -> End:
        """Serve until somebody ends it, or nobody is there."""
        presence = Presence(self._reactor, lambda: self._end(End(AWAY, False)))
        site = WebSite(self._reactor, self._side, self._sessions, presence)
        listening = self._reactor.listenTCP(0, site, BACKLOG, LOOPBACK)
        self._port = listening.getHost().port
        site.checks = Checks(self._port)
        self._side.ended.addCallback(lambda sentence: self._end(End(sentence, True)))
        self.showLink()
        try:
            return await self._ended
        finally:
            presence.stop()
            await listening.stopListening()
            await self._side.stop()
            site.dropAll()

    def showLink(self) -> None:
        """Show a new link, which is good once; the one before is not good any more."""
        self._show(f"http://{LOOPBACK}:{self._port}/#{self._sessions.makeToken()}")

    def stop(self) -> None:
        """End, because the user wants it."""
        self._end(End("", False))

    def _end(self, end: End) -> None:
        if not self._ended.called:
            self._ended.callback(end)
