"""Asks this host: its daemon, and the commands that find out more."""

import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IConnector, IProtocol
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.adminclient.client import CONNECT_TIMEOUT, explainError
from pkdoors.adminclient.location import AdminSocketOff, findFleetFile, findSocket
from pkdoors.config.config import ADMIN_SOCKET
from pkdoors.errors import AskError, NoDaemon, PkdoorsError
from pkdoors.util.sharing import Sharing
from pkdoors.util.turns import Turns
from pkdoors.web.channels._answer import Answer
from pkdoors.web.channels._program import readProgram
from pkdoors.web.channels.adminside import ABOUT, ADMIN, CHECK, FLEET, IAdminSide

NO_FLEET: Mapping[str, Any] = {"fleet": "", "hosts": []}
"""What is known of the fleet of a host that is in none."""


class Place(NamedTuple):
    """
    Where this host's daemon is.

    @ivar admin: the path of its socket, if the operator gives one.
    @ivar conf: its configuration file; L{None} for the usual one.
    """

    admin: str | None = None
    conf: str | None = None


def checkAccess(place: Place) -> None:
    """
    Ensure that this user may ask the daemon.

    @raise AskError: it is another user's.
    """
    with suppress(AdminSocketOff):
        path = place.admin or findSocket(place.conf)
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.settimeout(CONNECT_TIMEOUT)
                probe.connect(path)
            except PermissionError as error:
                raise explainError(error, path, CONNECT_TIMEOUT) from error
            except OSError:
                pass


@implementer(IAdminSide)
class LocalSide:
    """
    This host.

    @param program: the words that start pkdoors again.
    @param about: what the page is told of this host.
    @ivar place: where its daemon is.
    """

    def __init__(
        self, reactor: Any, place: Place, program: Sequence[str], about: Mapping[str, str]
    ) -> None:
        self.ended: Deferred[str] = Deferred()
        self._reactor = reactor
        self.place = place
        self._program = tuple(program)
        self._about = about
        self._sharing = Sharing(Turns(reactor))
        self._answers: Mapping[str, Callable[[], Awaitable[bytes]]] = {
            ABOUT: self._tellAbout,
            CHECK: self._check,
            FLEET: self._askFleet,
        }

    def begin(self) -> Deferred[None]:
        """See L{IAdminSide.begin}. A daemon that does not run may yet come."""
        return execute(checkAccess, self.place)

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{IAdminSide.open}."""
        if kind == ADMIN:
            self._connect(protocol)
        elif make := self._answers.get(kind):
            Answer(protocol).send(self._sharing.get(kind, make))
        else:
            protocol.connectionLost(Failure(AskError(f"there is no channel {kind!r:.50}")))

    def stop(self) -> Deferred[None]:
        """See L{IAdminSide.stop}."""
        return succeed(None)

    def _connect(self, protocol: IProtocol) -> None:
        """Connect to the daemon, as L{pkdoors.adminclient.location.askDaemon} does."""
        usual = None if self.place.admin or self.place.conf else ADMIN_SOCKET
        try:
            path = self.place.admin or findSocket(self.place.conf)
        except AdminSocketOff as error:
            if usual is None:
                protocol.connectionLost(Failure(error))
            else:
                self._connectTo(usual, _Factory(protocol, usual, error=error))
        except PkdoorsError as error:
            protocol.connectionLost(Failure(error))
        else:
            again = self._connectTo if usual not in (None, path) else None
            self._connectTo(path, _Factory(protocol, path, again))

    def _connectTo(self, path: str, factory: "_Factory") -> None:
        self._reactor.connectUNIX(path, factory, timeout=CONNECT_TIMEOUT)

    async def _tellAbout(self) -> bytes:
        return json.dumps(self._about).encode() + b"\n"

    async def _check(self) -> bytes:
        return await self._run("check")

    async def _askFleet(self) -> bytes:
        if not os.path.exists(findFleetFile(self.place.conf)):
            return json.dumps(NO_FLEET).encode() + b"\n"
        return await self._run("fleet status")

    def _run(self, command: str) -> Deferred[bytes]:
        conf = ("--conf", self.place.conf) if self.place.conf else ()
        return readProgram(self._reactor, self._program, command, "--json", *conf)


class _Factory(ClientFactory):
    """
    Makes one connection to the daemon.

    @param again: connects to the usual socket if nobody listens at this one.
    @param error: what to report if nobody listens here, either.
    """

    noisy = False

    def __init__(
        self,
        protocol: IProtocol,
        path: str,
        again: "Callable[[str, _Factory], None] | None" = None,
        error: AskError | None = None,
    ) -> None:
        self._made = protocol
        self._path = path
        self._again = again
        self._error = error

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """See L{twisted.internet.interfaces.IProtocolFactory}."""
        return self._made

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """See L{ClientFactory}."""
        error = _explain(reason.value, self._path)
        isMissing = isinstance(error, NoDaemon)
        if isMissing and self._again:
            self._again(ADMIN_SOCKET, _Factory(self._made, ADMIN_SOCKET, error=error))
        else:
            self._made.connectionLost(Failure((isMissing and self._error) or error))


def _explain(error: BaseException | None, path: str) -> AskError:
    number = error.osError if isinstance(error, ConnectError) else None
    if isinstance(number, int):
        return explainError(OSError(number, os.strerror(number)), path, CONNECT_TIMEOUT)
    return explainError(TimeoutError(), path, CONNECT_TIMEOUT)
