"""Serves the operator's page on the loopback, until nobody looks at it any more."""

from collections.abc import Callable, Collection
from secrets import token_hex
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from pkdoors.errors import PkdoorsError
from pkdoors.web._checks import Checks
from pkdoors.web._presence import Presence
from pkdoors.web._site import WebSite
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.sessions import Sessions

LOOPBACK = "127.0.0.1"
NAME_BYTES = 8
"""Random bytes of the page's own name. Browsers take all names that end with C{.localhost} for this
machine; RFC 6761, section 6.3."""
BACKLOG = 64
"""Connections that wait until they are accepted."""
FAREWELL = 5.0
"""Seconds in which a page can still learn why its host cannot be asked any more; it tries again
after one or two."""
AWAY = "no page has been open for ten minutes: start it again when you need it"


class End(NamedTuple):
    """
    Why the page ends.

    @ivar sentence: empty if the user wants it.
    @ivar isFault: whether something went wrong.
    """

    sentence: str
    isFault: bool


class WebServer:
    """
    Serves the page.

    @param side: the host that it shows.
    @param show: shows a link to the user. The first one comes once the host answers.
    @param users: who may use the link, if that can be told; none for everybody.
    """

    def __init__(
        self,
        reactor: Any,
        side: IAdminSide,
        show: Callable[[str], None],
        users: Collection[int] = (),
    ) -> None:
        self._reactor = reactor
        self._side = side
        self._show = show
        self._sessions = Sessions()
        self._presence = Presence(reactor, lambda: self._end(End(AWAY, False)))
        self._site = WebSite(reactor, side, self._sessions, self._presence, users)
        self._listening: Any = None
        self._name = f"{token_hex(NAME_BYTES)}.localhost"
        self._ended: Deferred[End] = Deferred()
        self._finished: Deferred[None] = Deferred()

    async def run(self) -> End:
        """Serve until the user ends it, nobody is there, or the host cannot be asked any more."""
        self._side.ended.addCallback(self._onSideEnded)
        self._side.begin().addCallbacks(self._listen, self._fail).addErrback(self._ended.errback)
        try:
            return await self._ended
        finally:
            self._presence.stop()
            if self._listening is not None:
                await maybeDeferred(self._listening.stopListening)
            await self._side.stop()
            self._site.dropAll()
            self._finished.callback(None)

    def showLink(self) -> None:
        """
        Show a new link, which is good once; the one before is not good any more.

        It has a name that no other server of this machine has had or gets: a browser keeps apart
        what belongs to different names, but gives cookies to all ports of one, and what another
        user's server has left in it for a port stays there.
        """
        if self._listening is None:
            return
        rest = f"{self._listening.getHost().port}/#{self._sessions.makeToken()}"
        self._show(f"http://{self._name}:{rest}")
        self._show(f"If the browser does not find that address: http://{LOOPBACK}:{rest}")

    def stop(self) -> Deferred[None]:
        """End, because the user wants it; the result fires when nothing is left."""
        self._end(End("", False))
        return self._finished

    def _listen(self, _: object) -> None:
        if not self._ended.called:
            self._presence.start()
            self._listening = self._reactor.listenTCP(0, self._site, BACKLOG, LOOPBACK)
            self._site.checks = Checks(self._listening.getHost().port, self._name)
            self.showLink()

    def _fail(self, failure: Failure) -> None:
        failure.trap(PkdoorsError)
        self._end(End(str(failure.value), True))

    def _onSideEnded(self, sentence: str) -> None:
        """Let the pages that are open ask why before the end."""
        wait = FAREWELL if self._presence.wasHere(FAREWELL) else 0
        self._reactor.callLater(wait, self._end, End(sentence, True))

    def _end(self, end: End) -> None:
        if not self._ended.called:
            self._ended.callback(end)
