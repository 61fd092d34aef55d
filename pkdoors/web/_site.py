"""The HTTP server of the page: files, the session, and what is passed to the host."""

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from pkdoors.admin.channel import AdminChannel, QuietSite
from pkdoors.admin.responses import Leaf, Senders, writeHead, writeJSON
from pkdoors.web._checks import ADVICE, WEB_HEADERS, Checks, listMethods
from pkdoors.web._files import PageFile, readFiles
from pkdoors.web._leaves import KEY_HEADER, Asked, FollowedEvents, Passed
from pkdoors.web._presence import Presence
from pkdoors.web.channels.adminside import ABOUT, CHECK, FLEET, IAdminSide
from pkdoors.web.peers import Place, findUser
from pkdoors.web.sessions import Sessions

MAX_CONNECTIONS = 64
"""At a time, a bound for memory; a browser opens six for a page."""

NO_SESSION = (
    "this browser has no session: press Enter in the terminal in which `pkdoors web` runs (or "
    "start it again), and open the link that it prints"
)
_USED = (
    "this link was used already, or is from an earlier start: press Enter in the terminal in which "
    "`pkdoors web` runs (or start it again), and open the link that it prints"
)
_OTHERS = "the link is for another user of this machine, who has started `pkdoors web`"


class WebChannel(AdminChannel):
    """
    A connection of a browser, or of another program of this machine.

    @ivar isKnown: whether a request on it had a session.
    """

    safeHeaders = WEB_HEADERS
    notHTTP = f"this is not HTTP, or its head is too long: {ADVICE}"
    isKnown = False
    site: Any

    def connectionMade(self) -> None:
        """See L{Protocol}."""
        super().connectionMade()
        self.site.admit(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        self.site.forget(self)
        super().connectionLost(reason)

    def refuse(self, method: bytes, headers: Headers) -> tuple[int, str] | None:
        """See L{AdminChannel.refuse}."""
        refusal: tuple[int, str] | None = self.site.checks.refuse(method, headers)
        return refusal

    def findUser(self) -> int | None:
        """Return the user of this machine who has connected; L{None} if that is unknown."""
        transport: Any = self.transport
        here, there = transport.getHost(), transport.getPeer()
        user: int | None = self.site.findUser((here.host, here.port), (there.host, there.port))
        return user

    def drop(self) -> None:
        """Abort the connection."""
        transport: Any = self.transport
        transport.abortConnection()


class WebSite(QuietSite):
    """
    Serves the page.

    @ivar checks: of every request; set once the port is known.
    @param sessions: that may ask.
    @param presence: hears of each request with a session.
    @param users: who may begin a session; none for everybody.
    @param findUser: see L{pkdoors.web.peers.findUser}.
    """

    protocol = WebChannel

    checks: Checks

    def __init__(
        self,
        reactor: Any,
        side: IAdminSide,
        sessions: Sessions,
        presence: Presence,
        users: Collection[int] = (),
        findUser: Callable[[Place, Place], int | None] = findUser,
    ) -> None:
        self.access = sessions
        self.presence = presence
        self.users = users
        self.findUser = findUser
        self._connections: list[WebChannel] = []  # the oldest first
        super().__init__(reactor, _Root(self, side))

    def admit(self, channel: WebChannel) -> None:
        """Admit a connection. If there are too many, the oldest without a session ends."""
        self._connections.append(channel)
        if len(self._connections) > MAX_CONNECTIONS:
            unknown = (each for each in self._connections if not each.isKnown)
            dropped = next(unknown)  # there is one: the new one
            self._connections.remove(dropped)
            dropped.drop()

    def forget(self, channel: WebChannel) -> None:
        """Forget a connection that has ended."""
        if channel in self._connections:
            self._connections.remove(channel)

    def hasSession(self, request: Request) -> bool:
        """Return whether a request is of a session; then it counts as presence."""
        secrets = self.checks.findSecrets(request.requestHeaders)
        key = request.getHeader(KEY_HEADER) or b""
        if not any([self.access.has(secret, key) for secret in secrets]):
            return False
        channel: Any = request.channel
        channel.isKnown = True
        self.presence.begin()
        request.notifyFinish().addBoth(self.presence.end)
        return True

    def dropAll(self) -> None:
        """Abort all connections."""
        for channel in self._connections[:]:
            channel.drop()


class _Root(Resource):
    """Finds the resource for a path."""

    def __init__(self, site: WebSite, side: IAdminSide) -> None:
        super().__init__()
        senders = Senders()
        self._site = site
        self._side = side
        self._files = {path: _File(file, senders) for path, file in readFiles().items()}
        self._session = _Session(site)
        self._events = FollowedEvents(side)
        self._asked = {kind: Asked(side, kind, senders) for kind in (ABOUT, CHECK, FLEET)}

    def getChild(self, name: str, request: Request) -> IResource:
        """See L{Resource.getChild}."""
        path = request.path.decode("utf-8", "replace")
        if path == "/session":
            return self._session
        if path.startswith("/api/"):
            found = self._findAsked(path.removeprefix("/api"))
            isAllowed = found is None or self._site.hasSession(request)
            return (found or _Unknown()) if isAllowed else _NoSession()
        return self._files.get(path.removeprefix("/")) or _Unknown()

    def _findAsked(self, path: str) -> IResource | None:
        if path == "/events":
            return self._events
        if methods := listMethods(path):
            return Passed(self._side, methods)
        return self._asked.get(path.removeprefix("/"))


class _Unknown(Resource):
    """Answers all other paths."""

    isLeaf = True

    def render(self, request: Request) -> int:
        """Refuse it."""
        path = request.path.decode("utf-8", "replace")[:100]
        writeJSON(request, 404, {"error": f"there is no {path!r}: {ADVICE}"})
        return NOT_DONE_YET


class _NoSession(Resource):
    """Answers what only a session may ask."""

    isLeaf = True

    def render(self, request: Request) -> int:
        """Refuse it."""
        writeJSON(request, 401, {"error": NO_SESSION})
        return NOT_DONE_YET


class _File(Leaf):
    """A file of the page."""

    def __init__(self, file: PageFile, senders: Senders) -> None:
        super().__init__()
        self._file = file
        self._senders = senders

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        writeHead(request, 200, self._file.kind, len(self._file.content))
        self._senders.send(request, self._file.content)


class _Session(Leaf):
    """Swaps the token for a session."""

    methods = methodsWithBody = ("POST",)

    def __init__(self, site: WebSite) -> None:
        super().__init__()
        self._site = site

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        assert request.content is not None
        request.content.seek(0)
        channel: Any = request.channel
        if self._site.users and channel.findUser() not in self._site.users:
            writeJSON(request, 403, {"error": _OTHERS})
            return
        session = self._site.access.begin(request.content.read().strip())
        if session is None:
            writeJSON(request, 403, {"error": _USED})
            return
        name = self._site.checks.cookie
        cookie = b"%b=%b; HttpOnly; SameSite=Strict; Path=/" % (name, session.secret)
        request.setHeader(b"set-cookie", cookie)
        writeJSON(request, 200, {"key": session.key.decode()})
