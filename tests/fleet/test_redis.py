"""Tests of L{pkdoors.fleet.redis} with answers that are written by hand."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.fleet import Engine
from pkdoors.errors import ConfigError, EngineError, EngineRefusal, EngineTooMuch
from pkdoors.fleet._redisprotocol import MAX_ANSWER, explainLoss
from pkdoors.fleet.engine import Entry
from pkdoors.fleet.redis import CONNECT_LIMIT, LIMIT, RedisEngine, connectEngine

T = TypeVar("T")
LOG = "pk:prod:log:web1"


def readCommands(data: bytes) -> list[list[bytes]]:
    """Return the words of the commands in what was sent."""
    commands = []
    while data:
        head, _, data = data.partition(b"\r\n")
        words = []
        for _ in range(int(head[1:])):
            head, _, data = data.partition(b"\r\n")
            words.append(data[: int(head[1:])])
            data = data[int(head[1:]) + 2 :]
        commands.append(words)
    return commands


class _Transport(StringTransport):
    """A connection whose other end is the test."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing."""


class _Endpoint:
    """
    A way to the engine.

    @ivar fault: why nobody comes there.
    """

    def __init__(self) -> None:
        self.transports: list[_Transport] = []
        self.protocols: list[Any] = []
        self.fault: Exception | None = None
        self.isSilent = False

    def connect(self, factory: Any) -> Deferred[Any]:
        """See L{twisted.internet.interfaces.IStreamClientEndpoint}."""
        if self.isSilent:
            return Deferred()
        if self.fault:
            return fail(self.fault)
        protocol = factory.buildProtocol(None)
        self.transports.append(_Transport())
        self.protocols.append(protocol)
        protocol.makeConnection(self.transports[-1])
        return succeed(protocol)


class RedisEngineTests(SynchronousTestCase):
    """Tests of the engine."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = _Endpoint()
        where: Any = self.endpoint
        self.engine = RedisEngine(self.clock, Engine("log", user="web1"), "hush", where)

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Begin a call."""
        return Deferred.fromCoroutine(coroutine)

    def answer(self, *answers: bytes, number: int = 0) -> list[bytes]:
        """Send answers, and return the words of the last command."""
        asked = readCommands(self.endpoint.transports[number].value())
        self.endpoint.transports[number].clear()
        for answer in answers:
            self.endpoint.protocols[number].dataReceived(answer)
        return asked[-1] if asked else []

    def connect(self) -> None:
        """Log in."""
        connecting = self.begin(self.engine.connect())
        self.assertEqual([b"AUTH", b"web1", b"hush"], self.answer(b"+OK\r\n"))
        self.answer(b"+PONG\r\n")
        self.successResultOf(connecting)

    def refusalOf(self, answer: bytes) -> str:
        """Return what an error of the engine becomes."""
        asking = self.begin(self.engine.put("pk:prod:up:web1", b"{}", 30))
        self.answer(answer)
        return str(self.failureResultOf(asking, EngineRefusal).value)

    def test_append(self) -> None:
        """An entry goes with what may be trimmed, and its position comes back."""
        self.connect()
        asking = self.begin(self.engine.append(LOG, {"s": b"\xff\r\n"}, oldest=2.5))
        asked = self.answer(b"$3\r\n7-1\r\n")
        trim = [b"MINID", b"~", b"2500"]
        self.assertEqual([b"XADD", LOG.encode(), *trim, b"*", b"s", b"\xff\r\n"], asked)
        self.assertEqual("7-1", self.successResultOf(asking))
        asking = self.begin(self.engine.append(LOG, {"s": b"x"}, most=9))
        asked = self.answer(b"$3\r\n7-2\r\n")
        self.assertEqual([b"MAXLEN", b"~", b"9", b"*", b"s", b"x"], asked[2:])

    def test_follow(self) -> None:
        """Entries come on a connection of their own; no entries are no error."""
        self.connect()
        asking = self.begin(self.engine.follow({LOG: "0", "b": "7-1"}))
        self.answer(b"+OK\r\n", b"+PONG\r\n", number=1)
        name = LOG.encode()
        fields = b"*4\r\n$1\r\ns\r\n$2\r\n12\r\n$1\r\na\r\n$0\r\n\r\n"
        asked = self.answer(
            b"*1\r\n*2\r\n$%d\r\n%b\r\n*1\r\n*2\r\n$3\r\n8-0\r\n%b" % (len(name), name, fields),
            number=1,
        )
        self.assertEqual([b"XREAD", b"COUNT", b"100", b"BLOCK", b"5000", b"STREAMS"], asked[:6])
        self.assertEqual([name, b"b", b"0", b"7-1"], asked[6:])
        wanted = {LOG: [Entry("8-0", {"s": b"12", "a": b""})]}
        self.assertEqual(wanted, self.successResultOf(asking))
        asking = self.begin(self.engine.follow({LOG: "8-0"}))
        self.answer(b"*-1\r\n", number=1)
        self.assertEqual({}, self.successResultOf(asking))

    def test_fewer(self) -> None:
        """Of very many streams, each gives fewer entries at a time: memory is bounded."""
        self.connect()
        self.begin(self.engine.follow({f"log{number}": "0" for number in range(500)}))
        self.answer(b"+OK\r\n", b"+PONG\r\n", number=1)
        self.assertEqual([b"XREAD", b"COUNT", b"2"], self.answer(number=1)[:3])

    def test_values(self) -> None:
        """A claim is won once; a value that looks like a number stays what it is."""
        self.connect()
        for answer, wanted in ((b"+OK\r\n", True), (b"$-1\r\n", False)):
            claiming = self.begin(self.engine.claim("c", "web1", 500))
            self.assertEqual([b"NX", b"PX", b"500"], self.answer(answer)[3:])
            self.assertEqual(wanted, self.successResultOf(claiming))
        asking = self.begin(self.engine.get("c"))
        self.answer(b"$3\r\n007\r\n")
        self.assertEqual(b"007", self.successResultOf(asking))
        about = self.begin(self.engine.describe())
        self.answer(b"$23\r\n# A\r\nversion:7\r\nx:y:z\r\n\r\n")
        self.assertEqual({"version": "7", "x": "y:z"}, self.successResultOf(about))

    def test_refusals(self) -> None:
        """A refusal says what to do, and the connection is still good."""
        self.connect()
        self.assertIn("make room there (MISCONF", self.refusalOf(b"-MISCONF Errors writing\r\n"))
        self.assertIn("fleet init", self.refusalOf(b"-NOPERM no permissions\r\n"))
        self.assertIn("maxmemory", self.refusalOf(b"-OOM command not allowed\r\n"))
        self.assertIn("rediss://web1@log:6379: odd", self.refusalOf(b"-ERR odd\r\n"))
        self.assertNotIn("\33", self.refusalOf(b"-ERR \33[2Jodd\r\n"))

    def test_wrongPassword(self) -> None:
        """A wrong password is one sentence without the password."""
        connecting = self.begin(self.engine.connect())
        self.answer(b"-WRONGPASS invalid username-password pair\r\n")
        text = str(self.failureResultOf(connecting, EngineError).value)
        self.assertIn("wrong password for user 'web1'", text)
        self.assertNotIn("hush", text)

    def test_silence(self) -> None:
        """Without an answer for some seconds, the connection counts as lost."""
        self.connect()
        asking = self.begin(self.engine.get("x"))
        self.clock.advance(LIMIT - 0.1)
        self.assertNoResult(asking)
        self.clock.advance(0.1)
        self.assertIn("no answer for 10s", str(self.failureResultOf(asking, EngineError).value))
        self.assertTrue(self.endpoint.transports[0].disconnecting)
        self.failureResultOf(self.begin(self.engine.get("x")), EngineError)

    def test_noTls(self) -> None:
        """A port that does not answer TLS, and one that hangs up without it, are named."""
        connecting = self.begin(self.engine.connect())
        self.clock.advance(LIMIT)
        self.assertIn("speak TLS", str(self.failureResultOf(connecting, EngineError).value))
        where: Any = self.endpoint
        plain = RedisEngine(self.clock, Engine("log", isTls=False), "", where)
        connecting = self.begin(plain.connect())
        self.endpoint.protocols[-1].connectionLost(Failure(ConnectionDone()))
        self.assertIn("use rediss://", str(self.failureResultOf(connecting, EngineError).value))

    def test_noConnection(self) -> None:
        """Why there is no connection is one sentence."""
        self.endpoint.fault = ConnectionRefusedError()
        connecting = self.begin(self.engine.connect())
        self.assertIn("does it run", str(self.failureResultOf(connecting, EngineError).value))
        self.endpoint.isSilent = True
        connecting = self.begin(self.engine.connect())
        self.clock.advance(CONNECT_LIMIT)
        self.assertIn("within 10s", str(self.failureResultOf(connecting, EngineError).value))

    def test_lost(self) -> None:
        """If the engine hangs up, everything that waits fails, and nothing hangs up again."""
        self.connect()
        self.patch(self.endpoint.transports[0], "abortConnection", None)
        asking = [self.begin(self.engine.get("x")), self.begin(self.engine.get("y"))]
        self.endpoint.protocols[0].connectionLost(Failure(ConnectionDone()))
        for each in asking:
            self.assertIn("closed", str(self.failureResultOf(each, EngineError).value))
        self.successResultOf(self.begin(self.engine.close()))

    def test_tooMuch(self) -> None:
        """A very long answer is not kept in memory, and its error has a class of its own."""
        self.connect()
        asking = self.begin(self.engine.get("x"))
        self.answer(b"$%d\r\n" % (2 * MAX_ANSWER))
        for _ in range(9):
            self.answer(bytes(MAX_ANSWER // 8))
        self.endpoint.protocols[0].connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asking, EngineTooMuch)

    def test_garbage(self) -> None:
        """Bytes that are not the protocol, or that nobody asked for, end the connection."""
        for garbage in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfe\r\n", b"+OK\r\n+OK\r\n"):
            endpoint = self.endpoint = _Endpoint()
            where: Any = endpoint
            self.engine = RedisEngine(self.clock, Engine("log", user="web1"), "hush", where)
            self.connect()
            asking = self.begin(self.engine.get("x"))
            self.answer(garbage)
            if not garbage.startswith(b"+"):
                self.assertTrue(endpoint.transports[0].disconnecting, garbage)
                endpoint.protocols[0].connectionLost(Failure(ConnectionDone()))
                self.failureResultOf(asking, EngineError)
            self.assertTrue(endpoint.protocols[0].lost)

    def test_strangeAnswers(self) -> None:
        """Answers of other kinds than were asked for are errors, and nothing worse."""
        for answer in (b":7\r\n", b"*1\r\n:7\r\n", b"*1\r\n*2\r\n$1\r\nx\r\n*1\r\n$1\r\ny\r\n"):
            self.endpoint = _Endpoint()
            where: Any = self.endpoint
            self.engine = RedisEngine(self.clock, Engine("log", user="web1"), "hush", where)
            self.connect()
            reading = self.begin(self.engine.read(LOG))
            self.answer(answer)
            self.failureResultOf(reading, EngineError)

    def test_strangePositions(self) -> None:
        """A position that no engine can have made is an error: else it would be asked for again."""
        for position in (b"", b"x", b"8", b"-1-0", b"8-0 ", b"0-18446744073709551616"):
            self.endpoint = _Endpoint()
            where: Any = self.endpoint
            self.engine = RedisEngine(self.clock, Engine("log", user="web1"), "hush", where)
            self.connect()
            reading = self.begin(self.engine.read(LOG))
            self.answer(b"*1\r\n*2\r\n$%d\r\n%b\r\n*0\r\n" % (len(position), position))
            self.failureResultOf(reading, EngineError)

    def test_close(self) -> None:
        """After the end, nothing is asked."""
        self.connect()
        self.successResultOf(self.begin(self.engine.close()))
        self.assertTrue(self.endpoint.transports[0].disconnecting)
        self.failureResultOf(self.begin(self.engine.get("x")), EngineError)


class ReasonTests(SynchronousTestCase):
    """Tests of the reasons for which connections end."""

    def test_explain(self) -> None:
        """What is wrong with TLS is told in words."""
        from OpenSSL.SSL import Error
        from service_identity.exceptions import VerificationError

        for error, wanted in (
            (Error([("SSL routines", "", "certificate verify failed")]), "authority in `ca`"),
            (Error([("SSL routines", "", "wrong version number")]), "does not speak TLS"),
            (VerificationError(errors=[]), "another name"),
            (ValueError("odd\n"), "odd?"),
        ):
            self.assertIn(wanted, explainLoss(Failure(error)))

    def test_authority(self) -> None:
        """A file that is not a certificate, or is not there, is named before anything is sent."""
        empty = self.mktemp()
        with open(empty, "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
        for path, wanted in ((empty, "PEM"), (f"{empty}.none", "cannot read")):
            connecting = Deferred.fromCoroutine(connectEngine(Clock(), Engine("x"), "", path))
            error = str(self.failureResultOf(connecting, ConfigError).value)
            self.assertIn(wanted, error)
            self.assertIn(path, error)
