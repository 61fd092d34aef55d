"""Tests of L{pkdoors.web.channels.remoteside} and L{pkdoors.web.channels.relay}."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import AskError, NoDaemon
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.channels.greeting import GREETING, MAX_BEFORE
from pkdoors.web.channels.relay import RelayFrames
from pkdoors.web.channels.remoteside import RemoteSide
from pkdoors.web.channels.sshcommand import SshTarget
from tests.fakes.adminside import FakeSide
from tests.fakes.reactor import FakeReactor
from tests.web.channels.case import Collector


class FakeSsh(StringTransport):
    """
    What runs in place of ssh.

    @ivar words: its command line.
    @ivar ended: see L{pkdoors.web.channels._child.Child}.
    """

    def __init__(self, reactor: Any, words: Any, protocol: IProtocol) -> None:
        super().__init__()
        self.words = words
        self.protocol = protocol
        self.ended: Deferred[int] = Deferred()
        protocol.makeConnection(self)

    def end(self, status: int) -> None:
        """End with this status."""
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.ended.callback(status)


class RemoteTestCase(SynchronousTestCase):
    """Has a remote host, and what answers there."""

    def setUp(self) -> None:
        """Make both."""
        self.started: list[FakeSsh] = []
        target = SshTarget("root@gate1")
        self.side = RemoteSide(FakeReactor(), target, "26.12.0", self.start)
        self.there = FakeSide()
        self.relay = RelayFrames(self.there)
        self.pipe = StringTransport()

    def start(self, *arguments: Any) -> FakeSsh:
        """Start the program."""
        self.started.append(FakeSsh(*arguments))
        return self.started[-1]

    def begin(self, before: bytes = b"") -> None:
        """Reach the host."""
        begun = self.side.begin()
        self.relay.makeConnection(self.pipe)
        (self.ssh,) = self.started
        self.ssh.protocol.dataReceived(before)
        self.assertNoResult(begun)
        self.carry()
        self.successResultOf(begun)

    def carry(self) -> None:
        """Carry all that is under way."""
        while self.pipe.value() or self.ssh.value():
            for pipe, end in ((self.pipe, self.ssh.protocol), (self.ssh, self.relay)):
                data = pipe.value()
                pipe.clear()
                if data:
                    end.dataReceived(data)

    def failureOf(self, begun: Deferred[None]) -> str:
        """Return the sentence of a start that has failed."""
        return str(self.failureResultOf(begun, AskError).value)


class BeginTests(RemoteTestCase):
    """How a host is reached."""

    def test_interface(self) -> None:
        """It is an admin side."""
        verifyObject(IAdminSide, self.side)

    def test_command(self) -> None:
        """ssh runs pkdoors there."""
        self.begin()
        self.assertEqual(SshTarget("root@gate1").words(), self.ssh.words)

    def test_before(self) -> None:
        """What the host's shell prints before is left out, unless it is very long."""
        self.begin(b"Welcome!\nYou have mail." + bytes(range(256)))

    def test_pieces(self) -> None:
        """The greeting may come in pieces."""
        begun = self.side.begin()
        for at in range(len(GREETING)):
            self.assertNoResult(begun)
            self.started[0].protocol.dataReceived(GREETING[at : at + 1])
        self.successResultOf(begun)

    def test_else(self) -> None:
        """Something else that answers is a sentence."""
        begun = self.side.begin()
        self.started[0].protocol.dataReceived(bytes(MAX_BEFORE + 1))
        self.assertTrue(self.started[0].disconnecting)
        self.started[0].end(0)
        self.assertIn("something else than pkdoors", self.failureOf(begun))

    def test_otherVersion(self) -> None:
        """So is a pkdoors whose frames are different."""
        begun = self.side.begin()
        self.started[0].protocol.dataReceived(b"\npkdoors-relay-admin 2\n")
        self.assertTrue(self.started[0].disconnecting)
        self.started[0].end(0)
        self.assertIn("root@gate1: pkdoors there and here do not fit", self.failureOf(begun))

    def test_noLogin(self) -> None:
        """If ssh ends before, its status says what to do."""
        begun = self.side.begin()
        self.started[0].end(255)
        self.assertIn("cannot log in", self.failureOf(begun))

    def test_noProgram(self) -> None:
        """If there is no ssh, that is the sentence."""

        def fail(*_: Any) -> None:
            raise AskError("cannot run ssh")

        side = RemoteSide(FakeReactor(), SshTarget("a"), "26.12.0", fail)
        self.assertEqual("cannot run ssh", self.failureOf(side.begin()))
        self.successResultOf(side.stop())


class OpenTests(RemoteTestCase):
    """What goes through a channel."""

    def setUp(self) -> None:
        """Reach the host."""
        super().setUp()
        self.begin()

    def test_both(self) -> None:
        """Questions and answers, and the end."""
        here = Collector()
        self.side.open("admin", here)
        here.transport.write(b"GET /status")  # type: ignore[union-attr]
        self.carry()
        (channel,) = self.there.channels
        self.assertEqual(("admin", b"GET /status"), (channel.kind, channel.value()))
        channel.answer(b"HTTP/1.1 200 OK")
        channel.end()
        self.carry()
        self.assertEqual(b"HTTP/1.1 200 OK", here.read)
        self.assertIsInstance(here.reason, ConnectionDone)

    def test_fails(self) -> None:
        """The sentence of a host that cannot be asked comes here."""
        self.there.error = NoDaemon("the daemon is not running: start it")
        here = Collector()
        self.side.open("admin", here)
        self.carry()
        self.assertEqual("the daemon is not running: start it", str(here.reason))

    def test_leaves(self) -> None:
        """If we do not want to know any more, the daemon's connection ends."""
        here = Collector()
        self.side.open("admin", here)
        self.carry()
        here.transport.abortConnection()  # type: ignore[union-attr]
        self.carry()
        self.assertTrue(self.there.channels[0].isEnded)

    def test_slow(self) -> None:
        """If we do not read, the daemon's connection is not read."""
        here = Collector()
        self.side.open("admin", here)
        here.transport.pauseProducing()  # type: ignore[union-attr]
        self.carry()
        (channel,) = self.there.channels
        channel.answer(bytes(70_000))
        self.assertEqual("paused", channel.producerState)
        self.carry()
        here.transport.resumeProducing()  # type: ignore[union-attr]
        self.carry()
        self.assertEqual("producing", channel.producerState)
        self.assertEqual(70_000, len(here.read))


class EndTests(RemoteTestCase):
    """How it ends."""

    def test_sshEnds(self) -> None:
        """The end of ssh is a sentence, and ends the channels on both sides."""
        self.begin()
        here = Collector()
        self.side.open("admin", here)
        self.carry()
        self.ssh.end(255)
        self.assertIn("has ended", str(here.reason))
        self.assertEqual(
            "the connection to root@gate1 has ended (status 255 of ssh): start it again",
            self.successResultOf(self.side.ended),
        )
        self.relay.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.there.channels[0].isEnded)
        self.successResultOf(self.relay.ended)

    def test_stop(self) -> None:
        """We can end it, and wait until ssh has ended."""
        self.begin()
        stopped = self.side.stop()
        self.assertTrue(self.ssh.disconnecting)
        self.assertNoResult(stopped)
        self.ssh.end(0)
        self.successResultOf(stopped)

    def test_stopBefore(self) -> None:
        """We can end it before the host has answered, or before anything."""
        self.successResultOf(RemoteSide(FakeReactor(), SshTarget("a"), "26").stop())
        begun = self.side.begin()
        stopped = self.side.stop()
        self.started[0].end(0)
        self.failureOf(begun)
        self.successResultOf(stopped)
