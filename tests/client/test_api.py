"""Tests of L{pkdoors.client} as programs use it."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor as globalReactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorThreads, IReactorUDP
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import directlyProvides, providedBy

import pkdoors.client
from pkdoors.client import (
    BadValue,
    KnockError,
    NoAddress,
    NoKey,
    NotOpen,
    Outcome,
    Sequence,
    api,
    close,
    knock,
)
from pkdoors.client.core.methods import Work
from pkdoors.client.core.visit import Visit
from pkdoors.client.reactor import driver
from pkdoors.client.reactor._work import workWith
from pkdoors.knocks.seal import parseSealed
from tests.client.names import HOST4, FakeNames
from tests.fakes.agent import SOCKET, AgentReactor, FakeAgent, makeKey
from tests.fakes.doors import PORTS

TEXT = ",".join(map(str, PORTS))
HOST = "127.0.0.1"
ENCRYPTED = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f")

reactor: Any = globalReactor


class NamesTests(SynchronousTestCase):
    """What C{pkdoors.client} offers."""

    def test_all(self) -> None:
        """All names that it lists are there, and nothing else is."""
        for name in pkdoors.client.__all__:
            self.assertIn(name, dir(pkdoors.client))
            self.assertIsNotNone(getattr(pkdoors.client, name))
        self.assertRaises(AttributeError, getattr, pkdoors.client, "knocks")

    def test_errors(self) -> None:
        """A program that catches L{KnockError} catches them all."""
        for kind in (NoAddress, NoKey, NotOpen):
            self.assertTrue(issubclass(kind, KnockError))
        self.assertFalse(issubclass(BadValue, KnockError))


class ApiTestCase(SynchronousTestCase):
    """A test with a reactor in memory, an agent, and a host."""

    def setUp(self) -> None:
        """Make them."""
        self.reactor: Any = AgentReactor()
        provided = (*providedBy(self.reactor), IReactorUDP, IReactorThreads)
        directlyProvides(self.reactor, *provided)
        self.key = makeKey("ed25519")
        self.agent = FakeAgent(self.reactor, self.key)
        FakeNames(self, HOST4)
        self.patch(api, "findLocalAddress", lambda address: "192.0.2.7")

    def begin(self, work: Coroutine[Deferred[Any], Any, Outcome]) -> Deferred[Outcome]:
        """Begin something, and give it half a second."""
        result = Deferred.fromCoroutine(work)
        self.reactor.pump([0.01] * 50)
        return result

    def knock(self, **more: Any) -> Outcome:
        """Knock."""
        return self.successResultOf(self.begin(knock(self.reactor, "h.example", TEXT, **more)))

    def wrong(self, kind: type[Exception], **more: Any) -> str:
        """Return the sentence of an error."""
        result = self.begin(knock(self.reactor, "h.example", TEXT, **more))
        self.assertEqual([], self.reactor.sent)
        return str(self.failureResultOf(result, kind).value)


class KnockTests(ApiTestCase):
    """
    Tests of L{knock} and L{close}.
    """

    def test_plain(self) -> None:
        """Without a key, the knock is plain."""
        outcome = self.knock(openFor=59.5)
        self.assertEqual([b"knock 60\n"] * len(PORTS), [each[3] for each in self.reactor.sent])
        self.assertEqual(list(PORTS), [each[2] for each in self.reactor.sent])
        self.assertEqual(("h.example", (HOST4,), None, False, None, ""), fieldsOf(outcome))
        self.assertEqual(f"knocked on h.example ({HOST4})", str(outcome))

    def test_sequence(self) -> None:
        """A L{Sequence} does as well."""
        self.successResultOf(self.begin(knock(self.reactor, "h.example", Sequence(PORTS))))
        self.assertEqual(list(PORTS), [each[2] for each in self.reactor.sent])

    def test_agent(self) -> None:
        """C{"agent"} seals with its keys."""
        self.knock(key="agent", agent=SOCKET, door="web")
        statement = parseSealed(self.reactor.sent[0][3]).statement
        self.assertEqual(("web", 0, False), (statement.door, statement.seconds, statement.close))

    def test_variable(self) -> None:
        """If no socket is given, the environment's is used."""
        self.patch(os, "environ", {**os.environ, "SSH_AUTH_SOCK": SOCKET})
        self.knock(key="agent")
        self.assertEqual([self.key.blob()], self.agent.signed)
        self.reactor.sent.clear()
        self.assertIn("there is no SSH agent", self.wrong(NoKey, key="agent", agent=""))

    def test_bytes(self) -> None:
        """A private key can be given as bytes."""
        self.knock(key=self.key.toString("openssh"))
        self.assertEqual("default", parseSealed(self.reactor.sent[0][3]).statement.door)

    def test_path(self) -> None:
        """The path of a key can be text, or a C{Path}, which is never the agent."""
        file = Path(self.mktemp())
        file.write_bytes(self.key.toString("openssh"))
        file.chmod(0o600)
        self.knock(key=str(file), agent="")
        self.knock(key=file, agent="")
        self.assertEqual(6 * len(PORTS), len(self.reactor.sent))
        self.reactor.sent.clear()
        self.assertIn("no such file", self.wrong(NoKey, key=Path("agent"), agent=SOCKET))

    def test_close(self) -> None:
        """L{close} asks to close."""
        work = close(self.reactor, "h.example", TEXT, key="agent", agent=SOCKET, door="web")
        outcome = self.successResultOf(self.begin(work))
        statement = parseSealed(self.reactor.sent[0][3]).statement
        self.assertEqual(("web", True), (statement.door, statement.close))
        self.assertEqual("asked h.example to close", str(outcome).partition(" (")[0])

    def test_encrypted(self) -> None:
        """No passphrase is asked for, whatever the terminal, and the key's file is named."""
        path = Path(self.mktemp())
        subprocess.run([*ENCRYPTED, path], check=True)
        what = self.wrong(NoKey, key=path, agent="")
        self.assertIn("add it to the SSH agent with ssh-add", what)
        what = self.wrong(NoKey, key=path.read_bytes())
        self.assertEqual("the key is encrypted: decrypt it, or add it to the SSH agent", what)

    def test_damaged(self) -> None:
        """Bytes that are not a key are one sentence."""
        for data in (b"", b"\0", b"ssh-ed25519 AAAA", self.key.toString("openssh")[:99]):
            self.assertIn("the key cannot be used: ", self.wrong(NoKey, key=data))

    def test_noAddress(self) -> None:
        """Neither is a host without an address."""
        FakeNames(self)
        self.assertIn("no address found for 'h.example'", self.wrong(NoAddress))

    def test_notOpen(self) -> None:
        """A port that does not open is an error of its own."""
        work = knock(self.reactor, "h.example", TEXT, wait=22, tries=1, timeout=0.1)
        what = str(self.failureResultOf(self.begin(work), NotOpen).value)
        self.assertIn("22/tcp of h.example did not answer within 100ms", what)

    def test_arguments(self) -> None:
        """Arguments that are not allowed are told at once, by name."""
        for arguments, what in (
            ({"wait": 0}, "wait is 0: it must be from 1 to 65535"),
            ({"openFor": -1}, "openFor is -1"),
            ({"openFor": float("nan")}, "openFor is nan"),
            ({"openFor": 1e9}, "openFor is 1e+09"),
            ({"wait": 22.5}, "wait is 22.5: it must be a whole number"),
            ({"tries": 0}, "tries is 0"),
            ({"tries": 1.5}, "tries is 1.5: it must be a whole number"),
            ({"timeout": 0}, "timeout is 0"),
            ({"interval": 11}, "interval is 11"),
            ({"family": 5}, "family is 5"),
            ({"door": "web"}, "door needs a sealed knock"),
            ({"bind": "none"}, "bind needs a sealed knock"),
            ({"key": ""}, "key is empty"),
            ({"key": "agent", "door": ""}, "door: "),
            ({"key": "agent", "bind": "here"}, "bind: 'here' is not an address"),
        ):
            self.assertIn(what, self.wrong(BadValue, **arguments))
        for host, sequence, what in (
            ("", TEXT, "host is empty"),
            ("h.example", "1,2", "sequence: "),
            ("h.example", f"{TEXT},17/tcp", "openFor: a knock on a TCP port"),
        ):
            result = self.begin(knock(self.reactor, host, sequence, openFor=9))
            self.assertIn(what, str(self.failureResultOf(result, BadValue).value))
        result = self.begin(knock(self.reactor, "h.example", f"{TEXT},17/tcp", key="agent"))
        self.assertIn("has a TCP port", str(self.failureResultOf(result, BadValue).value))

    def test_reactor(self) -> None:
        """A reactor that lacks something is refused in a sentence."""
        result = Deferred.fromCoroutine(knock(Clock(), "h.example", TEXT))
        what = str(self.failureResultOf(result, TypeError).value)
        self.assertEqual("the reactor does not provide IReactorUDP", what)

    def test_say(self) -> None:
        """A program that fails to hear about the progress is told, and the knock goes on."""

        def say(line: str) -> None:
            raise ZeroDivisionError(line)

        work = knock(self.reactor, "h.example", TEXT, wait=22, tries=2, timeout=0.1, say=say)
        self.failureResultOf(self.begin(work), NotOpen)
        (logged,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("knocking again", str(logged.value))
        self.assertEqual(2 * len(PORTS), len(self.reactor.sent))

    def test_secrets(self) -> None:
        """What a program may print contains neither the sequence nor the key."""
        outcome = self.knock(key=self.key.toString("openssh"))
        for port in PORTS:
            self.assertNotIn(str(port), repr(outcome))
        self.assertNotIn("PRIVATE", repr(outcome))

    def test_fault(self) -> None:
        """A fault in the client is an exception, not a wait for ever."""

        def sealed(*arguments: Any) -> None:
            raise ZeroDivisionError

        for name in ("sealed", "tick"):
            self.patch(Visit, name, sealed)
            result = self.begin(knock(self.reactor, "h.example", TEXT))
            self.failureResultOf(result, ZeroDivisionError)
            self.assertEqual([], self.reactor.getDelayedCalls())


def fieldsOf(outcome: Outcome) -> tuple[object, ...]:
    """Return the fields of an outcome that are documented."""
    names = ("host", "knocked", "address", "wasOpen", "seconds", "note")
    return tuple(getattr(outcome, name) for name in names)


class RealReactorTests(TestCase):
    """With Twisted's own reactor, and sockets of this host."""

    async def warmUp(self) -> set[str]:
        """Let the reactor open what stays, and return the descriptors."""
        await deferLater(reactor, 0, lambda: None)  # a reactor that starts handles signals
        self.handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        await knock(reactor, HOST, TEXT)
        return await self.descriptors()

    async def descriptors(self) -> set[str]:
        """Return the descriptors, after a few turns of the reactor."""
        for _ in range(3):
            await deferLater(reactor, 0, lambda: None)
        gc.collect()
        names = os.listdir("/proc/self/fd")
        links = {name: Path("/proc/self/fd", name) for name in names}
        return {f"{name} {os.readlink(path)}" for name, path in links.items() if path.is_symlink()}

    async def test_wasOpen(self) -> None:
        """An open port is told as such, and nothing stays."""
        before = await self.warmUp()
        with closing(socket.create_server((HOST, 0))) as server:
            port = server.getsockname()[1]
            outcome = await knock(reactor, HOST, TEXT, wait=port)
            server.accept()[0].close()
        expected = (HOST, (HOST,), HOST, True, None, "")
        self.assertEqual(expected, fieldsOf(outcome))
        self.assertEqual(before, await self.descriptors())
        now = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        self.assertEqual(self.handlers, now)

    async def test_cancelled(self) -> None:
        """A knock that is cancelled at any time sends nothing more, and leaves nothing."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        mute = str(Path("/tmp") / f"agent-{os.getpid()}")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(mute)
        self.addCleanup(os.unlink, mute)
        server.listen()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as ear:
            ear.bind((HOST, 0))
            ports = f"{ear.getsockname()[1]},17,18,19,20"
            ways: list[dict[str, Any]] = [
                {"wait": 9, "timeout": 60.0},
                {"interval": 9.0},
                {"key": "agent", "agent": mute},
                {"key": makeKey("ed25519").toString("openssh"), "wait": 9, "timeout": 60.0},
            ]
            before, calls = await self.warmUp(), reactor.getDelayedCalls()  # the test's own
            for way in ways:
                for pause in (None, 0.0, 0.05):
                    work = Deferred.fromCoroutine(knock(reactor, HOST, ports, **way))
                    if pause is not None:
                        await deferLater(reactor, pause, lambda: None)
                    work.cancel()
                    self.failureResultOf(work, CancelledError)
                    self.assertEqual(before, await self.descriptors(), (way, pause))
                    self.assertEqual(calls, reactor.getDelayedCalls())

    async def test_notBlocked(self) -> None:
        """The reactor turns while a name is looked up and while a key is read and parsed."""
        went = threading.Event()
        names: list[str] = []

        def slow(reactor: Any) -> Work:
            work = original(reactor)

            def wait(call: Callable[[], Any], stop: Callable[[], None] | None = None) -> Any:
                names.append(threading.current_thread().name)

                def waits() -> Any:
                    self.assertTrue(went.wait(60))
                    self.assertIsNot(threading.current_thread(), threading.main_thread())
                    return call()

                reactor.callLater(0.01, went.set)  # it could not, if the reactor were blocked
                return work(waits, stop)

            return wait

        original = workWith
        self.patch(driver, "workWith", slow)
        key = Path(self.mktemp())
        key.write_bytes(makeKey("ed25519").toString("openssh"))
        key.chmod(0o600)
        await knock(reactor, HOST, TEXT, key=key, agent="")
        self.assertEqual(3, len(names))

    async def test_many(self) -> None:
        """Many knocks at the same time do not disturb each other."""
        works = [Deferred.fromCoroutine(knock(reactor, HOST, TEXT)) for _ in range(20)]
        self.assertEqual([(HOST,)] * 20, [(await work).knocked for work in works])


class LoadingTests(SynchronousTestCase):
    """What the import costs."""

    def test_lazy(self) -> None:
        """C{import pkdoors.client} does not load Twisted; using L{knock} does."""
        script = (
            "import sys, pkdoors.client as c; c.KnockError, c.Sequence; "
            "print('twisted' in sys.modules); c.knock; print('twisted' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual("False\nTrue\n", done.stdout, done.stderr)
