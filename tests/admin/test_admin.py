"""Tests of L{pkdoors.admin}, with real HTTP over a transport in memory."""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from queue import Queue
from shutil import rmtree
from stat import S_IMODE
from tempfile import mkdtemp
from threading import Thread, current_thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.http import HTTPChannel

from pkdoors.admin._channel import MAX_BODY
from pkdoors.admin._connections import Peer
from pkdoors.admin._eventstream import MAX_BACKLOG, MAX_FOLLOWERS
from pkdoors.admin._interface import Json
from pkdoors.admin._lazysite import AdminSite, inThread
from pkdoors.admin._port import AdminPort
from pkdoors.admin._resources import makeSite
from pkdoors.admin.unixsocket import BACKLOG, AdminSocket, rehearse
from pkdoors.doorkeeper.state import Snapshot
from pkdoors.errors import BadValue, ConfigError, FirewallError, ListenError, NotFound
from pkdoors.events.counters import Counters
from pkdoors.events.event import OPENED, Event
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log
from tests.fakes.modules import SERVICE, haveService, replaceModule
from tests.fakes.reactor import FakeReactor

ANN = "192.0.2.7"
DOOR = makeDoor(name="ssh")


class FakeSteering:
    """
    A daemon that notes what it is asked.

    @ivar error: what it answers with, where it is not L{None}.
    @ivar waiting: what its answers wait for, where it is not L{None}.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.publisher = EventPublisher(lambda: 1_795_420_800.0)
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.waiting: Deferred[None] | None = None
        self.followers = 0

    def _answer(self, *asked: Any) -> Json:
        self.asked.append(asked)
        if self.error:
            raise self.error
        return {"asked": list(asked)}

    def state(self) -> Snapshot:
        """How things stand."""
        return Snapshot(0.0, 0.0, (DOOR,), (), {})

    def status(self) -> Json:
        """All at a glance."""
        return self._answer("status")

    def openings(self, door: str = "", source: str = "") -> Json:
        """The openings."""
        return self._answer("openings", door, source)

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> Json:
        """Open."""
        if self.waiting:
            await self.waiting
        return self._answer("open", source, door, seconds)

    async def close(self, door: str = "", source: str = "") -> Json:
        """Close."""
        return self._answer("close", door, source)

    async def reload(self) -> Json:
        """Reload."""
        return self._answer("reload")

    def subscribe(self, hear: Callable[[Event], None]) -> Callable[[], None]:
        """Have all events told."""
        end, self.followers = self.publisher.subscribe(hear), self.followers + 1

        def gone() -> None:
            self.followers -= 1
            end()

        return gone

    def tell(self, name: str = "anna") -> None:
        """Something happens."""
        self.publisher.publish(
            OPENED, door=DOOR, source=ANN, seconds=30.0, who=Principal(name, "SHA256:x")
        )


class Connection(StringTransport):
    """
    A connection that tells those who write when nobody reads, as TCP does.

    @ivar isFull: whether nobody reads.
    @ivar aborts: how often it was aborted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.isFull = False
        self.aborts = 0
        self.descriptor = 7

    def fileno(self) -> int:
        """See L{twisted.internet.interfaces.IFileDescriptor}."""
        return self.descriptor

    def write(self, data: bytes) -> None:
        """See L{twisted.internet.interfaces.ITransport}."""
        super().write(data)
        if self.isFull and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See L{twisted.internet.interfaces.ITransport}."""
        self.write(b"".join(data))

    def readAgain(self) -> None:
        """Somebody reads again."""
        assert self.producer is not None
        self.producer.resumeProducing()

    def abortConnection(self) -> None:
        """The connection is lost in the reactor's next turn, not now."""
        self.aborts += 1


def goAway(channel: HTTPChannel) -> None:
    """Be a connection that the other side has closed."""
    channel.connectionLost(Failure(ConnectionDone()))


class AdminTestCase(SynchronousTestCase):
    """
    With a site.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.operations = FakeSteering()
        self.site = makeSite(self.reactor, self.operations)

    def connect(self) -> tuple[Any, Connection]:
        """Somebody connects."""
        channel: Any = self.site.buildProtocol(None)
        transport = Connection()
        channel.makeConnection(transport)
        return channel, transport

    def send(self, method: str, path: str, body: bytes | None = None) -> Connection:
        """Somebody asks."""
        channel, transport = self.connect()
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: pkdoors\r\n{length}\r\n"
        channel.dataReceived(head.encode() + (body or b""))
        self.turn()
        return transport

    def turn(self, count: int = 10) -> None:
        """The reactor has turns."""
        for _ in range(count):
            self.reactor.advance(0)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the JSON that somebody is answered with."""
        data = None if body is None else body if isinstance(body, bytes) else _encoded(body)
        head, content = self.raw(method, path, data)
        self.assertIn("content-type: application/json", head.lower())
        self.assertEqual(1, content.count("\n"), content)
        return int(head.split()[1]), json.loads(content)

    def raw(self, method: str, path: str, data: bytes | None = None) -> tuple[str, str]:
        """Head and content of the answer."""
        head, _, rest = self.send(method, path, data).value().partition(b"\r\n\r\n")
        if b"chunked" in head:
            rest = b"".join(rest.split(b"\r\n")[1::2])
        return head.decode(), rest.decode()

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """The status and the sentence of a refusal; nothing was asked of the daemon."""
        status, answer = self.ask(method, path, body)
        self.assertEqual(["error"], list(answer))
        self.assertEqual([], self.operations.asked)
        return status, answer["error"]


def _encoded(body: object) -> bytes:
    return json.dumps(body).encode()


class AnswerTests(AdminTestCase):
    """
    What is asked of the daemon.
    """

    def test_asked(self) -> None:
        """Each path and method asks the daemon for one thing, with what the request says."""
        both = f"door=ssh&source={ANN}"
        body = {"source": ANN, "door": "ssh", "seconds": 600}
        for method, path, given, asked in (
            ("GET", "/status", None, ("status",)),
            ("GET", "/openings", None, ("openings", "", "")),
            ("GET", f"/openings?{both}", None, ("openings", "ssh", ANN)),
            ("POST", "/openings", {"source": ANN}, ("open", ANN, "", 0.0)),
            ("POST", "/openings", body, ("open", ANN, "ssh", 600.0)),
            ("POST", "/openings?door=ssh", {"source": ANN}, ("open", ANN, "ssh", 0.0)),
            ("DELETE", "/openings", None, ("close", "", "")),
            ("DELETE", "/openings?door=ssh", None, ("close", "ssh", "")),
            ("DELETE", f"/openings/{ANN}", None, ("close", "", ANN)),
            ("DELETE", f"/openings/{ANN}?door=ssh", None, ("close", "ssh", ANN)),
            ("DELETE", "/openings/2001:db8::7", None, ("close", "", "2001:db8::7")),
            ("DELETE", "/openings/2001%3Adb8%3A%3A7", None, ("close", "", "2001:db8::7")),
            ("DELETE", "/openings/fe80::1%25eth0", None, ("close", "", "fe80::1%eth0")),
            ("POST", "/reload", None, ("reload",)),
            ("POST", "/reload", b"", ("reload",)),
        ):
            self.assertEqual((200, {"asked": list(asked)}), self.ask(method, path, given))
            self.assertEqual([asked], self.operations.asked)
            self.operations.asked.clear()

    def test_statuses(self) -> None:
        """What the daemon refuses has the status of its kind, and the sentence as it is."""
        for path, error, status in (
            ("/openings", BadValue("bad"), 400),
            ("/openings", NotFound("away"), 404),
            ("/openings", FirewallError("no"), 503),
            ("/openings", ConfigError("wrong"), 409),
            ("/reload", ConfigError("wrong"), 409),
            ("/reload", BadValue("bad"), 409),
            ("/reload", FirewallError("no"), 409),
            ("/reload", ListenError("taken"), 409),
        ):
            self.operations.error = error
            body = {"source": ANN} if path == "/openings" else None
            self.assertEqual((status, {"error": str(error)}), self.ask("POST", path, body))

    def test_unexpected(self) -> None:
        """A mistake of ours is answered, too, and told in the log, not to who asked."""
        self.operations.error = ValueError("a secret")
        self.assertEqual(
            (500, {"error": "that went wrong; the daemon's log says more"}),
            self.ask("GET", "/status"),
        )
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_later(self) -> None:
        """An answer may take its time."""
        self.operations.waiting = Deferred()
        transport = self.send("POST", "/openings", _encoded({"source": ANN}))
        self.assertEqual(b"", transport.value())
        self.operations.waiting.callback(None)
        self.turn()
        self.assertIn(b"200 OK", transport.value())

    def test_metrics(self) -> None:
        """The metrics come as Prometheus reads them."""
        head, content = self.raw("GET", "/metrics")
        self.assertIn("content-type: text/plain; version=0.0.4", head.lower())
        self.assertIn("pkdoors_openings_total 0.0\n", content)

    def test_goneMeanwhile(self) -> None:
        """Who does not wait for it does no harm; what was asked is done."""
        self.operations.waiting = Deferred()
        channel, transport = self.connect()
        body = _encoded({"source": ANN})
        head = f"POST /openings HTTP/1.1\r\nHost: pkdoors\r\nContent-Length: {len(body)}\r\n\r\n"
        channel.dataReceived(head.encode() + body)
        goAway(channel)
        self.operations.waiting.callback(None)
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)
        self.assertEqual((b"", []), (transport.value(), self.log.lines()))

    def test_quiet(self) -> None:
        """Nothing is logged of what is asked and refused."""
        self.ask("GET", "/status")
        self.ask("GET", "/nothing")
        self.assertEqual([], self.log.lines())


class RefusalTests(AdminTestCase):
    """
    Requests that are refused before the daemon is asked.
    """

    def test_path(self) -> None:
        """Paths that there are not."""
        paths = "/status, /openings, /reload, /events, /metrics"
        for path in (
            "/",
            "/x",
            "/status/x",
            "/openings/",
            "/openings/a/b",
            "/openings/a/",
            "/events/x/y",
            "//",
        ):
            self.assertEqual(
                (404, f"there is no {path!r}: there are {paths}"), self.refused("GET", path)
            )
        self.assertEqual(404, self.refused("GET", "/" + 3000 * "x")[0])

    def test_method(self) -> None:
        """Methods that a path does not have, with those that it has."""
        for method, path, allowed in (
            ("POST", "/status", "GET"),
            ("PUT", "/openings", "GET, POST, DELETE"),
            ("GET", f"/openings/{ANN}", "DELETE"),
            ("GET", "/reload", "POST"),
            ("POST", "/metrics", "GET"),
            ("DELETE", "/events", "GET"),
            ("FROB", "/events", "GET"),
        ):
            sentence = f"{method} is not for this: {allowed} is"
            self.assertEqual((405, sentence), self.refused(method, path))
            self.assertIn(f"allow: {allowed}".lower(), self.raw(method, path)[0].lower())

    def test_head(self) -> None:
        """HEAD is refused everywhere: of events it would never end."""
        for path in ("/status", "/events", "/metrics"):
            self.assertIn(" 405 ", self.raw("HEAD", path)[0])
        self.assertEqual(0, self.operations.followers)

    def test_arguments(self) -> None:
        """Arguments that there are not, that are there twice, or empty."""
        for path, sentence in (
            ("/status?x=1", "'x' is no argument here: allowed are none"),
            ("/openings?seconds=1", "'seconds' is no argument here: allowed are door, source"),
            ("/openings?door=a&door=a", "an argument is there twice: give each once"),
            ("/openings?door=", "door: '' is not a text"),
            ("/openings?source", "source: '' is not a text"),
        ):
            self.assertEqual((400, sentence), self.refused("GET", path))
        path = f"/openings/{ANN}?source=10.0.0.1"
        self.assertEqual(
            (400, "an argument is there twice: give each once"), self.refused("DELETE", path)
        )

    def test_address(self) -> None:
        """An address in the path that is only slashes does not mean all addresses."""
        for path in ("/openings/%2F", "/openings/%2F%2f"):
            self.operations.asked.clear()
            self.ask("DELETE", path)
            self.assertNotIn(("close", "", ""), self.operations.asked)

    def test_body(self) -> None:
        """Bodies that are no JSON, no object, or lack the address."""
        for body, sentence in (
            (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
            (b"{", "the body is not JSON: "),
            (b"\xff\xfe\xfd", "the body is not JSON: "),
            (b"[" * 4000, "the body is not JSON: "),
            (b"[]", 'the body is no object: write {"source": "192.0.2.7", "door": "ssh"}'),
            (b"null", "the body is no object: "),
            (b"{}", '"source" is missing: the address to open for'),
            (b'{"source": "a", "x": 1}', "'x' is no argument here: allowed are door, source, sec"),
            (b'{"source": 7}', "source: 7 is not a text"),
            (b'{"source": ["a"]}', "source: ['a'] is not a text"),
            (b'{"source": "a", "door": null}', "door: None is not a text"),
            (b'{"source": "a", "door": ""}', "door: '' is not a text"),
        ):
            status, error = self.refused("POST", "/openings", body)
            self.assertEqual(400, status)
            self.assertTrue(error.startswith(sentence), error)
            self.assertLess(len(error), 300)

    def test_unreadBody(self) -> None:
        """A body where none is read is refused: without it all would be closed."""
        for method, path in (
            ("DELETE", "/openings"),
            ("DELETE", "/openings?door=ssh"),
            ("DELETE", f"/openings/{ANN}"),
            ("POST", "/reload"),
            ("GET", "/openings"),
            ("GET", "/status"),
            ("GET", "/events"),
            ("GET", "/metrics"),
        ):
            sentence = f"no body is read with {method} here: say it in the path, or after a '?'"
            for body in (_encoded({"source": ANN}), b" "):
                self.assertEqual((400, sentence), self.refused(method, path, body))
        self.assertEqual(0, self.operations.followers)

    def test_noHTTP(self) -> None:
        """What is no HTTP, or not all of it, is a sentence, too, and the connection ends."""
        post = b"POST /openings HTTP/1.1\r\nHost: pkdoors\r\n"
        for data in (
            b"x\r\n\r\n",
            b"GET /status FTP/1.0\r\n\r\n",
            b"GET /" + 20_000 * b"x" + b" HTTP/1.1\r\n\r\n",
            b"GET /status HTTP/1.1\r\nno header\r\n\r\n",
            b"GET /status HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(502)) + b"\r\n",
            post + b"Content-Length: many\r\n\r\n{}",
            post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            post + b"Transfer-Encoding: gzip\r\n\r\n",
            post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            channel, transport = self.connect()
            channel.dataReceived(data)
            head, _, body = transport.value().decode().partition("\r\n\r\n")
            self.assertTrue(head.startswith("HTTP/1.1 400 Bad Request\r\n"), data[:80])
            self.assertIn("Content-Type: application/json\r\n", head)
            self.assertIn(f"Content-Length: {len(body)}\r\n", head)
            self.assertIn("this is no HTTP, or its head is too long", json.loads(body)["error"])
            self.assertTrue(transport.disconnecting)
        self.assertEqual([], self.operations.asked)

    def test_seconds(self) -> None:
        """Seconds that are none, or too many."""
        for text in (*"0 -1 0.5 NaN Infinity 1e999 2592001 true null [] {}".split(), '"60"'):
            body = f'{{"source": "{ANN}", "seconds": {text}}}'.encode()
            status, error = self.refused("POST", "/openings", body)
            self.assertEqual(400, status)
            self.assertTrue(error.endswith("is not a number of seconds, from 1 to 720h"), error)
        many = f'{{"source": "{ANN}", "seconds": {"9" * 3000}}}'.encode()
        self.assertLess(len(self.refused("POST", "/openings", many)[1]), 300)
        given = f'{{"source": "{ANN}", "seconds": "60"}}'.encode()
        self.assertEqual(400, self.refused("POST", "/openings?seconds=60", given)[0])

    def test_tooLong(self) -> None:
        """Bodies that are too long."""
        body = _encoded({"source": ANN, "door": "x" * MAX_BODY})
        self.assertEqual(
            (413, f"the body is too long: {MAX_BODY} bytes are allowed"),
            self.refused("POST", "/openings", body),
        )

    def test_oneLine(self) -> None:
        """No refusal has a line break, or what a terminal would obey, whatever was asked."""
        for path in ("/%0a%1b[2J", "/status?%0a%1b=1"):
            _, error = self.refused("GET", path)
            self.assertTrue(error.isprintable(), error)


class SiteTests(SynchronousTestCase):
    """
    Tests of L{AdminSite}.
    """

    def setUp(self) -> None:
        """Have one that nobody asked yet."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.begun: list[Callable[[], None]] = []
        self.peers = count(1)
        self.site = AdminSite(self.reactor, FakeSteering(), self.begun.append, self.peerOf)

    def peerOf(self, transport: object) -> Peer:
        """Each connection is of another process of root's, if nothing else is said."""
        return Peer(0, next(self.peers))

    def connect(self) -> tuple[Any, Connection]:
        """Somebody connects."""
        protocol, transport = self.site.buildProtocol(None), Connection()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def load(self) -> None:
        """What was begun in a thread is done, and the reactor has a turn."""
        self.begun.pop()()
        self.reactor.advance(0)

    def answered(self, protocol: Any, transport: Connection) -> bool:
        """Whether somebody is read, asks, and is answered."""
        protocol.dataReceived(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.reactor.advance(0)
        return transport.producerState == "producing" and b"200 OK" in transport.value()

    def test_first(self) -> None:
        """Those who come first wait, unread, while what answers is loaded, once, beside them."""
        first, second = self.connect(), self.connect()
        states = {transport.producerState for _, transport in (first, second)}
        self.assertEqual((1, {"paused"}), (len(self.begun), states))
        self.load()
        self.assertTrue(self.answered(*first) and self.answered(*second))

    def test_later(self) -> None:
        """Those who come later do not."""
        self.connect()
        self.load()
        later = self.connect()
        self.assertEqual([], self.begun)
        self.assertTrue(self.answered(*later))

    def test_gone(self) -> None:
        """Who goes away, before or after it is there, does no harm."""
        lost, stays = self.connect(), self.connect()
        goAway(lost[0])
        self.load()
        self.assertTrue(self.answered(*stays))
        goAway(stays[0])
        self.assertEqual((b"", []), (lost[1].value(), self.log.lines()))

    def test_failed(self) -> None:
        """Where it cannot be loaded, that is logged, none is left waiting, and the next may try."""
        name = "pkdoors.admin._resources"
        whole = sys.modules[name]
        replaceModule(self, name, None)
        protocol, transport = self.connect()
        self.load()
        self.assertTrue(transport.disconnecting)
        goAway(protocol)
        self.assertEqual(1, len(self.flushLoggedErrors(ImportError)))
        replaceModule(self, name, whole)
        another = self.connect()
        self.load()
        self.assertTrue(self.answered(*another))

    def test_thread(self) -> None:
        """What is loaded in a thread does not hold up the end of the process."""
        found: Queue[Thread] = Queue()
        inThread(lambda: found.put(current_thread()))
        thread = found.get()
        self.assertTrue(thread.daemon)
        self.assertIsNot(current_thread(), thread)


class UNIXReactor(MemoryReactorClock):
    """
    Twisted's own fake reactor, with real sockets that it reads only when it is told to.

    @ivar madeWith: the mode that a socket had from its first moment.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        super().__init__()
        self.madeWith = 0
        chmod = os.chmod

        def look(path: str, mode: int, **how: bool) -> None:
            self.madeWith = S_IMODE(os.stat(path).st_mode)
            chmod(path, mode, **how)

        test.patch(os, "chmod", look)

    @property
    def ports(self) -> list[Any]:
        """The ports that it listens on."""
        return [each for each in self.getReaders() if isinstance(each, AdminPort)]

    def kill(self) -> None:
        """End as with the process: the files stay."""
        for port in self.ports:
            self.removeReader(port)
            port.socket.close()


class SocketTests(SynchronousTestCase):
    """
    Tests of L{AdminSocket} and L{rehearse}.
    """

    def setUp(self) -> None:
        """Have a folder."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "run" / "admin.sock"
        self.reactor = UNIXReactor(self)
        self.log = Log(self)

    def make(self, path: str | None = None) -> AdminSocket:
        """The part of a daemon."""
        chosen = str(self.path) if path is None else path
        return AdminSocket(self.reactor, chosen, FakeSteering())

    def have(self) -> AdminSocket:
        """One of a daemon that is ready."""
        part = self.make()
        part.prepare()
        part.ready()
        self.addCleanup(lambda: self.stop(part) if self.reactor.ports else None)
        return part

    def stop(self, part: AdminSocket) -> None:
        """End it."""
        stopped = part.stop()
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def refused(self, path: Path | None = None) -> str:
        """Why it cannot be had."""
        line = str(self.assertRaises(ListenError, rehearse, str(path or self.path)))
        return line.replace(str(self.path.parent), "RUN")

    def test_private(self) -> None:
        """
        Only the owner can use it, from its first moment, or look into the folder that is made for
        it.
        """
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.have()
        self.assertEqual(0o600, self.reactor.madeWith)
        self.assertEqual(0o600, S_IMODE(self.path.stat().st_mode))
        self.assertEqual(0o700, S_IMODE(self.path.parent.stat().st_mode))
        self.assertEqual(0, os.umask(0))

    def test_life(self) -> None:
        """It is there when the daemon is ready, not before, and is taken away at the end."""
        part = self.make()
        part.prepare()
        part.start()
        self.assertEqual((False, []), (self.path.exists(), self.reactor.ports))
        part.ready()
        part.reopen()
        self.assertEqual((True, 1), (self.path.is_socket(), len(self.reactor.ports)))
        self.stop(part)
        self.assertEqual((False, []), (self.path.exists(), self.reactor.ports))

    def test_neverReady(self) -> None:
        """Nothing is left, either, where the daemon never was."""
        part = self.make()
        part.prepare()
        self.stop(part)
        self.assertFalse(self.path.exists())

    def test_takenMeanwhile(self) -> None:
        """Who takes its place between start and readiness leaves the daemon without, and alive."""
        part = self.make()
        part.prepare()
        self.path.write_text("precious")
        part.ready()
        self.assertEqual("error", self.log.levels()[-1])
        self.assertIn("no admin socket: ", self.log.lines()[-1])
        self.assertEqual("precious", self.path.read_text())
        self.stop(part)

    def test_off(self) -> None:
        """Without a path there is none."""
        part = self.make("")
        part.prepare()
        part.ready()
        self.stop(part)
        self.assertEqual([], self.reactor.ports)

    def test_stale(self) -> None:
        """What a daemon left that was killed is replaced."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        self.assertTrue(self.path.is_socket())
        self.have()
        self.assertEqual(1, len(self.reactor.ports))

    def test_taken(self) -> None:
        """What another daemon has is not, however busy that is; nor is a file."""
        first = self.have()
        sentence = (
            "cannot make the admin socket RUN/admin.sock: another daemon, or a file, is there; say "
            "--admin PATH for another place, or --admin off"
        )
        for _ in range(BACKLOG + 5):
            self.assertEqual(sentence, self.refused())
        self.assertTrue(self.path.is_socket())
        self.stop(first)
        self.path.write_text("precious")
        self.assertEqual(sentence, self.refused())
        self.assertEqual("precious", self.path.read_text())

    def useServicesFolder(self) -> None:
        """Have the socket in a folder of the service's; be root, now and at the end."""
        if os.getuid():
            raise SkipTest("this test gives a file to a user: run it as root (sudo script/test)")
        self.path = haveService(self) / "admin.sock"
        self.addCleanup(os.seteuid, 0)

    def test_rootLeft(self) -> None:
        """
        What a daemon that ran as root left in the service's folder, killed, the service replaces.
        """
        self.useServicesFolder()
        self.have()
        self.reactor.kill()
        self.assertEqual(SERVICE, self.path.stat().st_uid)
        os.seteuid(SERVICE)
        self.have()
        self.assertEqual(1, len(self.reactor.ports))

    def test_others(self) -> None:
        """What another user has is left alone: a sentence says what to do."""
        self.useServicesFolder()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        self.path.chmod(0o600)
        os.seteuid(SERVICE)
        self.assertEqual(
            "cannot make the admin socket RUN/admin.sock: one of another user is there; if no "
            "daemon runs as that user any more, remove it, or say --admin PATH for another place",
            self.refused(),
        )
        self.assertTrue(self.path.is_socket())

    def test_swapped(self) -> None:
        """Who puts a link in its place at once, as the service could, has root change nothing."""
        self.useServicesFolder()
        victim = self.path.parent.parent / "victim"
        victim.touch(0o644)

        def swap(path: str, mode: int, **how: bool) -> None:
            os.unlink(path)
            os.symlink(victim, path)
            chmod(path, mode, **how)

        chmod = os.chmod
        self.patch(os, "chmod", swap)
        part = self.make()
        part.ready()
        self.assertEqual(0o644, S_IMODE(victim.stat().st_mode))
        self.assertEqual("error", self.log.levels()[-1])

    def test_noPlace(self) -> None:
        """Where it cannot be, the reason is told."""
        self.path.parent.mkdir()
        (self.path.parent / "file").write_text("")
        self.assertEqual(
            "cannot make the admin socket RUN/file/x: File exists; say --admin PATH for another "
            "place",
            self.refused(self.path.parent / "file" / "x"),
        )


class StreamTests(AdminTestCase):
    """
    Followers of the events.
    """

    def follow(self) -> tuple[HTTPChannel, Connection]:
        """Somebody follows."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn(2)
        return channel, transport

    def told(self, transport: Connection) -> list[dict[str, Any]]:
        """The events that somebody was told."""
        lines = transport.value().decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def test_begins(self) -> None:
        """Who follows is told so at once."""
        _, transport = self.follow()
        head, _, rest = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b"content-type: text/event-stream", head.lower())
        self.assertIn(b": pkdoors\n\n", rest)

    def test_tells(self) -> None:
        """All who follow are told each event, from then on, as it happens."""
        self.operations.tell("before")
        _, one = self.follow()
        self.operations.tell("anna")
        _, two = self.follow()
        self.operations.tell("bob")
        self.assertEqual(["anna", "bob"], [each["user"] for each in self.told(one)])
        self.assertEqual(["bob"], [each["user"] for each in self.told(two)])
        self.assertIn(b"event: opened\ndata: {", one.value())
        self.assertEqual(DOOR.name, self.told(one)[0]["door"])

    def test_hostileName(self) -> None:
        """What a key's comment holds cannot make another event of one."""
        _, transport = self.follow()
        self.operations.tell("a\n\nevent: closed\ndata: {}\r\r\u2028\x85")
        self.assertEqual(1, transport.value().count(b"\ndata: "))
        self.assertEqual(1, transport.value().count(b"event: opened\n"))
        (told,) = self.told(transport)
        self.assertEqual("a\n\nevent: closed\ndata: {}\r\r\u2028\x85", told["user"])

    def test_gone(self) -> None:
        """Who has gone is told nothing more, and takes no memory."""
        channel, transport = self.follow()
        goAway(channel)
        self.operations.tell()
        self.assertEqual((0, []), (self.operations.followers, self.told(transport)))

    def test_slow(self) -> None:
        """Who reads slowly gets all, in order."""
        _, transport = self.follow()
        transport.isFull = True
        for number in range(50):
            self.operations.tell(str(number))
        self.assertEqual(1, len(self.told(transport)))
        transport.readAgain()  # and is full again after one
        self.assertEqual(2, len(self.told(transport)))
        transport.isFull = False
        transport.readAgain()
        self.operations.tell("50")
        self.assertEqual([str(n) for n in range(51)], [e["user"] for e in self.told(transport)])
        self.assertEqual(0, transport.aborts)

    def test_doesNotRead(self) -> None:
        """Who does not read is dropped, once, when what waits is too much; others are not."""
        _, other = self.follow()
        channel, transport = self.follow()
        transport.isFull = True
        count = 0
        while not transport.aborts and count < 10_000:
            self.operations.tell("x" * 100)
            count += 1
        size = max(map(len, other.value().split(b"event: ")))
        self.assertLess(abs(MAX_BACKLOG - count * size), 0.1 * MAX_BACKLOG)
        for _ in range(100):
            self.operations.tell()
        self.assertEqual(1, transport.aborts)
        warnings = [line for line in self.log.lines() if "follower" in line]
        self.assertEqual(["a follower of the events does not read them, and was dropped"], warnings)
        goAway(channel)
        self.assertEqual(1, self.operations.followers)
        self.assertEqual(count + 100, len(self.told(other)))

    def test_most(self) -> None:
        """There is a bound for those who follow; when one goes, there is room."""
        channels = [self.follow()[0] for _ in range(MAX_FOLLOWERS)]
        self.assertEqual(
            (503, {"error": "64 follow already, which is the most"}), self.ask("GET", "/events")
        )
        self.assertEqual(MAX_FOLLOWERS, self.operations.followers)
        goAway(channels[5])
        self.assertIn(b"200 OK", self.follow()[1].value())
