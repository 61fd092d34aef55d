"""Asks another host, through ssh."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocol
from zope.interface import implementer

from pkdoors.errors import AskError
from pkdoors.web.channels._child import Child
from pkdoors.web.channels._frames import Frames
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.channels.greeting import VERSION, Greeting
from pkdoors.web.channels.sshcommand import SshTarget

Start = Callable[[Any, Any, IProtocol], Any]


@implementer(IAdminSide)
class RemoteSide:
    """
    Another host, whose C{pkdoors relay-admin} answers.

    @param target: the host.
    @param version: of pkdoors here.
    @param start: starts a program, as L{Child} does.
    """

    def __init__(self, reactor: Any, target: SshTarget, version: str, start: Start = Child) -> None:
        self.ended: Deferred[str] = Deferred()
        self._target = target
        self._version = version
        self._frames = GreetedFrames()
        self._over: Deferred[None] = Deferred()
        self._start = start
        self._reactor = reactor
        self._child: Any = None

    def begin(self) -> Deferred[None]:
        """See L{IAdminSide.begin}. However long that takes: ssh may ask the user something."""
        try:
            self._child = self._start(self._reactor, self._target.words(), self._frames)
        except AskError as error:
            return fail(error)
        self._child.ended.addCallback(self._onEnded)
        return self._frames.greeted

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{IAdminSide.open}."""
        self._frames.open(kind, protocol)

    def stop(self) -> Deferred[None]:
        """See L{IAdminSide.stop}."""
        if self._child is None:
            return succeed(None)
        self._child.loseConnection()
        return self._over

    def _onEnded(self, status: int) -> None:
        host, fault, greeted = self._target.host, self._frames.fault, self._frames.greeted
        if greeted.called:
            reason = fault or f"status {status} of ssh"
            self.ended.callback(f"the connection to {host} has ended ({reason}): start it again")
        else:
            sentence = f"{host}: {fault}" if fault else ""
            greeted.errback(AskError(sentence or self._target.explainStart(status, self._version)))
        self._over.callback(None)


class GreetedFrames(Frames):
    """
    Frames after a greeting.

    @ivar greeted: fires when it is there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.greeted: Deferred[None] = Deferred()
        self._greeting: Greeting | None = Greeting()

    def dataReceived(self, data: bytes) -> None:
        """See L{IProtocol}."""
        if self._greeting is None:
            super().dataReceived(data)
        elif found := self._greeting.add(data):
            self._greeting = None
            self._begin(*found)
        elif self._greeting.isHopeless():
            self._fail("something else than pkdoors answers: is its shell silent without a user?")

    def _begin(self, version: int, rest: bytes) -> None:
        if version != VERSION:
            self._fail("pkdoors there and here do not fit: install the same version on both hosts")
        else:
            self.greeted.callback(None)
            super().dataReceived(rest)
