"""Tests of L{pkdoors.web.channels.localside} and of what it uses."""

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionDone, ProcessExitedAlready
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.adminclient.location import AdminSocketOff
from pkdoors.config.config import ADMIN_SOCKET
from pkdoors.errors import AskError, NoDaemon
from pkdoors.web.channels import localside
from pkdoors.web.channels._answer import PIECE, Answer
from pkdoors.web.channels._program import MAX_OUTPUT, readProgram
from pkdoors.web.channels._program import PATIENCE as PROGRAM_PATIENCE
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.channels.localside import LocalSide, Place
from tests.fakes.reactor import FakeReactor
from tests.web.channels.case import Collector


class FakeProcess:
    """
    A program that was started.

    @ivar killed: how often it was.
    @ivar isGone: whether it has ended, while another program still holds its output open.
    @ivar isLeft: whether nobody reads its output any more.
    """

    isGone = isLeft = False

    def __init__(self, protocol: Any, words: Any) -> None:
        self.protocol = protocol
        self.words = words
        self.killed = 0
        protocol.makeConnection(self)

    def closeStdin(self) -> None:
        """See L{IProcessTransport}."""

    def signalProcess(self, name: str) -> None:
        """See L{IProcessTransport}."""
        assert name == "KILL"
        if self.isGone:
            raise ProcessExitedAlready
        self.killed += 1

    def loseConnection(self) -> None:
        """See L{IProcessTransport}."""
        self.isLeft = True

    def end(self, output: bytes = b"", errors: bytes = b"") -> None:
        """Print this, and end."""
        self.protocol.outReceived(output)
        self.protocol.errReceived(errors)
        self.protocol.processEnded(Failure(ConnectionDone()))


class Reactor(FakeReactor):
    """A reactor that starts programs."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []

    def spawnProcess(self, protocol: Any, executable: Any, args: Any, **settings: Any) -> Any:
        """See L{IReactorProcess}."""
        assert executable == args[0] and settings == {"env": None, "path": "/"}
        self.processes.append(FakeProcess(protocol, args))
        return self.processes[-1]


class LocalTestCase(SynchronousTestCase):
    """Has this host."""

    conf: str | None = None
    admin: str | None = None

    def setUp(self) -> None:
        """Make it."""
        self.reactor = Reactor()
        place = Place(self.admin, self.conf)
        self.side = LocalSide(self.reactor, place, ["python", "pkdoors"], {"host": "gate1"})
        self.end = Collector()

    def open(self, kind: str) -> None:
        """Open a channel."""
        self.end = Collector()
        self.side.open(kind, self.end)
        self.reactor.advance(0)


class AdminTests(LocalTestCase):
    """The daemon's channel."""

    def paths(self) -> list[str]:
        """Return the sockets that were tried."""
        return [path for path, *_ in self.reactor.unixClients]

    def refuse(self, number: int) -> None:
        """Let the last attempt fail."""
        factory = self.reactor.unixClients[-1][1]
        error = Refused(osError=111) if number == 111 else ConnectError(osError=number)
        factory.clientConnectionFailed(None, Failure(error))

    def usePath(self, path: str | Exception) -> None:
        """Have this path in the configuration."""

        def find(conf: object) -> str:
            if isinstance(path, Exception):
                raise path
            return path

        self.patch(localside, "findSocket", find)

    def test_interface(self) -> None:
        """It is an admin side."""
        verifyObject(IAdminSide, self.side)

    def test_connects(self) -> None:
        """It goes to the daemon's socket."""
        self.usePath(ADMIN_SOCKET)
        self.open("admin")
        self.assertEqual([ADMIN_SOCKET], self.paths())
        self.assertIs(self.end, self.reactor.unixClients[0][1].buildProtocol(None))

    def test_sentences(self) -> None:
        """What is wrong is a sentence, as of the other commands."""
        self.usePath(ADMIN_SOCKET)
        for number, kind, words in (
            (2, NoDaemon, "no socket at"),
            (111, NoDaemon, "nobody listens at"),
            (13, AskError, "run this as root"),
            (11, AskError, "too many clients"),
            (5, AskError, "see its log"),
        ):
            self.open("admin")
            self.refuse(number)
            self.assertIsInstance(self.end.reason, kind)
            self.assertIn(words, str(self.end.reason))
        self.assertEqual({ADMIN_SOCKET}, {*self.paths()})

    def test_moved(self) -> None:
        """A daemon that still listens at the usual path, though the file has another, is asked."""
        self.usePath("/run/new.sock")
        self.open("admin")
        self.refuse(2)
        self.assertEqual(["/run/new.sock", ADMIN_SOCKET], self.paths())
        self.assertIsNone(self.end.reason)
        self.refuse(2)
        self.assertIn("/run/new.sock", str(self.end.reason))

    def test_off(self) -> None:
        """So is one that was started before the file said that there is no socket."""
        self.usePath(AdminSocketOff("the daemon has no admin socket"))
        self.open("admin")
        self.assertEqual([ADMIN_SOCKET], self.paths())
        self.refuse(2)
        self.assertEqual("the daemon has no admin socket", str(self.end.reason))

    def test_unknown(self) -> None:
        """There are no other channels."""
        self.open("shell")
        self.assertIsInstance(self.end.reason, AskError)


class GivenTests(AdminTests):
    """If the operator names another file, no other daemon is asked."""

    conf = "/etc/other.toml"

    def test_moved(self) -> None:
        """It may be another daemon."""
        self.usePath("/run/new.sock")
        self.open("admin")
        self.refuse(2)
        self.assertEqual(["/run/new.sock"], self.paths())
        self.assertIsInstance(self.end.reason, NoDaemon)

    def test_off(self) -> None:
        """It may be another daemon."""
        self.usePath(AdminSocketOff("the daemon has no admin socket"))
        self.open("admin")
        self.assertEqual(
            ([], "the daemon has no admin socket"), (self.paths(), str(self.end.reason))
        )

    def test_noFile(self) -> None:
        """If there is no such file, that is the sentence."""
        self.usePath(AskError("cannot read it"))
        self.open("admin")
        self.assertEqual("cannot read it", str(self.end.reason))


class AnswersTests(LocalTestCase):
    """The other channels."""

    conf = "/etc/other.toml"

    def test_about(self) -> None:
        """About this host."""
        self.open("about")
        self.assertEqual({"host": "gate1"}, json.loads(self.end.read))
        self.assertIsInstance(self.end.reason, ConnectionDone)

    def test_check(self) -> None:
        """The check runs in a process of its own, for the same file; its status does not count."""
        self.open("check")
        (process,) = self.reactor.processes
        self.assertEqual(
            ("python", "pkdoors", "check", "--json", "--conf", self.conf), process.words
        )
        process.end(b'[{"level": "ERROR"}]\n', b"pkdoors check: something\n")
        self.assertEqual([{"level": "ERROR"}], json.loads(self.end.read))

    def test_shared(self) -> None:
        """Those who ask at the same time share one check, and the next one."""
        self.open("check")
        first = self.end
        others = []
        for _ in range(5):
            self.open("check")
            others.append(self.end)
        self.assertEqual(1, len(self.reactor.processes))
        self.reactor.processes[0].end(b"[1]")
        self.reactor.advance(0)
        self.assertEqual(b"[1]", first.read)
        self.assertEqual(2, len(self.reactor.processes))
        self.reactor.processes[1].end(b"[2]")
        self.assertEqual({b"[2]"}, {bytes(each.read) for each in others})

    def test_fleet(self) -> None:
        """The fleet's status, if the host is in one."""
        file = Path(self.mktemp())
        self.patch(localside, "findFleetFile", lambda conf: str(file))
        self.open("fleet")
        self.assertEqual({"fleet": "", "hosts": []}, json.loads(self.end.read))
        file.touch()
        self.open("fleet")
        (process,) = self.reactor.processes
        self.assertEqual(("fleet", "status", "--json"), process.words[2:5])
        process.end(b"", b"first\npkdoors fleet status: the engine\x1b does not answer\n\n")
        self.assertEqual("pkdoors fleet status: the engine? does not answer", str(self.end.reason))


class ProgramTests(LocalTestCase):
    """Tests of L{readProgram}."""

    def run_(self) -> tuple[Any, FakeProcess]:
        """Run a program."""
        reading = readProgram(self.reactor, ["python", "pkdoors"], "check")
        return reading, self.reactor.processes[-1]

    def faultOf(self, reading: Any) -> str:
        """Return the sentence."""
        self.assertEqual([], self.reactor.getDelayedCalls())
        return str(self.failureResultOf(reading, AskError).value)

    def test_nothing(self) -> None:
        """A program that prints nothing, or no JSON, is a sentence."""
        for output in (b"", b"[", b"Segmentation fault"):
            reading, process = self.run_()
            process.end(output)
            self.assertIn("`pkdoors check`: no answer", self.faultOf(reading))

    def test_late(self) -> None:
        """One that does not end is killed."""
        reading, process = self.run_()
        self.reactor.advance(PROGRAM_PATIENCE)
        self.assertEqual(1, process.killed)
        process.end(b"[]")
        self.assertIn("within", self.faultOf(reading))

    def test_held(self) -> None:
        """If it has ended, but a program that it started has not, nobody waits for that one."""
        reading, process = self.run_()
        process.isGone = True
        self.reactor.advance(PROGRAM_PATIENCE)
        self.assertTrue(process.isLeft)
        process.end()
        self.assertIn("within", self.faultOf(reading))

    def test_long(self) -> None:
        """One that prints too much is killed once, and fills no memory."""
        reading, process = self.run_()
        for _ in range(2 * MAX_OUTPUT >> 20):
            process.protocol.outReceived(bytes(1 << 20))
        self.assertGreaterEqual(process.killed, 1)
        process.end(b"[]")
        self.assertIn("too long", self.faultOf(reading))


class AnswerTests(SynchronousTestCase):
    """Tests of L{Answer}."""

    def test_pauses(self) -> None:
        """It is sent in pieces, no faster than its reader wants."""
        sent = bytes(range(256)) * 256

        class Slow(Collector):
            """Pauses after each piece."""

            def dataReceived(self, data: bytes) -> None:
                """See L{Collector}."""
                super().dataReceived(data)
                self.transport.pauseProducing()  # type: ignore[union-attr]

        slow = Slow()
        answer = Answer(slow)
        answer.send(succeed(sent))
        for count in range(1, len(sent) // PIECE + 1):
            self.assertEqual(count * PIECE, len(slow.read))
            answer.resumeProducing()
        self.assertEqual(sent, slow.read)
        self.assertIsInstance(slow.reason, ConnectionDone)

    def test_left(self) -> None:
        """A reader that has left gets nothing more."""
        made: Deferred[bytes] = Deferred()
        reader = Collector()
        answer = Answer(reader)
        answer.send(made)
        answer.abortConnection()
        made.callback(b"late")
        self.assertEqual(b"", reader.read)
