"""Tests of L{pkdoors.client.blocking.driver}, with sockets of this host."""

import contextlib
import os
import resource
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import closing
from tempfile import mkdtemp
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client import network
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking.driver import VisitDriver, perform
from pkdoors.client.core._tries import FIRST_PACE
from pkdoors.client.core.actions import Connect
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.methods import Method, PlainMethod, SealedMethod, Tools
from pkdoors.client.core.plan import Plan
from pkdoors.client.keys.signers import Identity
from pkdoors.client.network import findLocalAddress
from pkdoors.errors import KnockError
from pkdoors.knocks.seal import makeSignedData, parseSealed
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests.client.names import FakeNames
from tests.fakes.agent import AgentReactor, FakeAgent, makeKey
from tests.fakes.knocked import HOST, PATIENCE, FakeDoor


class DriverTests(SynchronousTestCase):
    """
    Tests of L{perform}.
    """

    def setUp(self) -> None:
        """Make a door."""
        self.door = FakeDoor()
        self.addCleanup(self.door.close)
        self.said: list[str] = []

    def meanwhile(self, *work: Callable[[], Any]) -> None:
        """Do some work in another thread."""

        def run() -> None:
            for each in work:
                each()

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def attempt(self, **fields: Any) -> Attempt:
        """Return an attempt at the door."""
        method = PlainMethod(Sequence(self.door.ports), 0.0, 0.0)
        return Attempt(**{"host": HOST, "method": method, "timeout": PATIENCE, **fields})

    def test_plain(self) -> None:
        """A plain knock arrives in whole."""
        outcome, connection = perform(self.attempt(), self.said.append)
        self.assertEqual(f"knocked on {HOST} ({HOST})", str(outcome))
        self.assertIsNone(connection)
        self.door.hear()
        self.assertEqual([(at, b"knock\n") for at in range(5)], self.door.heard)

    def test_opens(self) -> None:
        """With a port, it waits until the door is open."""
        self.meanwhile(self.door.hear, self.door.accept)
        outcome, _ = perform(self.attempt(port=self.door.protected), self.said.append)
        self.assertFalse(outcome.wasOpen)
        self.assertEqual(HOST, outcome.answered)

    def test_wasOpen(self) -> None:
        """It tells a door that was open already."""
        self.door.listen()
        self.meanwhile(self.door.accept)
        outcome, _ = perform(self.attempt(port=self.door.protected, look=PATIENCE), print)
        self.assertTrue(outcome.wasOpen)

    def test_race(self) -> None:
        """In a race, the first connection is the result, blocks, and nothing was read from it."""
        for look in (0.0, PATIENCE):  # refused at once, so it knocks
            self.door = FakeDoor(b"hello")
            self.addCleanup(self.door.close)
            self.meanwhile(self.door.hear, self.door.accept)
            attempt = self.attempt(port=self.door.protected, look=look, isRace=True)
            _, connection = perform(attempt, self.said.append)
            assert connection
            with closing(connection):
                self.assertTrue(connection.getblocking())
                self.assertEqual(b"hello", connection.recv(9))

    def test_open(self) -> None:
        """In a race for a port that is open, nothing is sent."""
        self.door.listen()
        self.meanwhile(self.door.accept)
        attempt = self.attempt(port=self.door.protected, look=PATIENCE, isRace=True)
        outcome, connection = perform(attempt, self.said.append)
        assert connection
        connection.close()
        self.assertEqual((), outcome.knocked)
        for each in self.door._sockets:
            each.setblocking(False)
            self.assertRaises(BlockingIOError, each.recv, 9)

    def test_onlyOneConnection(self) -> None:
        """However late the client is, it does not connect again to a port that has answered."""
        connect = VisitDriver._connect

        def connectAndWait(driver: VisitDriver, action: Connect) -> None:
            connect(driver, action)
            time.sleep(2 * FIRST_PACE)  # the machine is busy

        self.patch(VisitDriver, "_connect", connectAndWait)
        self.door.listen()
        attempt = self.attempt(port=self.door.protected, look=0.0, isRace=True)
        _, connection = perform(attempt, self.said.append)
        assert connection
        with closing(connection):
            self.assertEqual(1, self.door.countWaiting())

    def test_gaveUp(self) -> None:
        """If the port does not open, that is one sentence."""
        attempt = self.attempt(port=self.door.protected, tries=2, timeout=0.1)
        error = self.assertRaises(KnockError, perform, attempt, self.said.append)
        self.assertIn("refuses connections", str(error))
        self.assertEqual(["connection refused, knocking again (1 left)"], self.said)

    def test_tcp(self) -> None:
        """A port of TCP gets a SYN."""
        server = socket.create_server((HOST, 0))
        self.addCleanup(server.close)
        ports = (*self.door.ports[:4], TcpPort(server.getsockname()[1]))
        perform(self.attempt(method=PlainMethod(Sequence(ports), 0.0, 0.0)), print)
        server.settimeout(PATIENCE)
        connection, _ = server.accept()
        with connection:
            self.assertEqual(b"", connection.recv(1))

    def test_noHost(self) -> None:
        """A host without an address is one sentence."""
        FakeNames(self)
        error = self.assertRaises(KnockError, perform, self.attempt(host="h"), print)
        self.assertIn("no address found for 'h'", str(error))

    def test_noRoute(self) -> None:
        """An address that cannot be knocked on is one sentence."""
        self.patch(network, "isUnicast", lambda address: True)
        error = self.assertRaises(KnockError, perform, self.attempt(host="255.255.255.255"), print)
        self.assertIn("cannot knock on 255.255.255.255: ", str(error))

    def test_trace(self) -> None:
        """A report gets each action, and what happens."""
        traced: list[Any] = []
        perform(self.attempt(), print, traced.append)
        self.assertEqual(
            ["Found", "Seal", "Planned"] + ["Send"] * 5, [type(each).__name__ for each in traced]
        )

    def test_nothingLeft(self) -> None:
        """All descriptors are closed at the end, whatever the end."""
        counts = []
        for _ in range(3):  # the first round may open what stays, such as a source of random bytes
            for attempt in (self.attempt(), self.attempt(port=self.door.protected, timeout=0.1)):
                with contextlib.suppress(KnockError):
                    perform(attempt, lambda line: None)
            counts.append(len(os.listdir("/proc/self/fd")))
        self.assertEqual(counts[1], counts[2])

    def test_interrupted(self) -> None:
        """An interruption is passed on, and nothing stays open."""

        class Interrupted(PlainMethod):
            async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
                """The user presses Ctrl-C."""
                raise KeyboardInterrupt

        method: Method = Interrupted(Sequence(self.door.ports), 0.0, 0.0)
        self.assertRaises(KeyboardInterrupt, perform, self.attempt(method=method), print)


class SelectTests(SynchronousTestCase):
    """
    Tests of L{Loop} on a system that has only C{select()}.
    """

    def setUp(self) -> None:
        """Make a loop."""
        self.patch(selectors, "DefaultSelector", selectors.SelectSelector)
        self.loop = Loop()
        self.addCleanup(self.loop.close)

    def test_nap(self) -> None:
        """It wakes up now and then, because Ctrl-C does not wake it; also with nothing to watch."""
        self.loop.callAt(self, self.loop.clock() + PATIENCE, self.fail)
        began = self.loop.clock()
        self.loop.turn()
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        self.loop.watch(one, selectors.EVENT_READ, self.fail)
        self.loop.turn()
        self.assertLess(self.loop.clock() - began, PATIENCE / 2)

    def test_tooMany(self) -> None:
        """If it cannot watch so many sockets, that is a sentence."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2000, limit[1]), limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        for _ in range(1100):  # Linux watches 1024
            one = socket.socket()
            self.addCleanup(one.close)
            self.loop.watch(one, selectors.EVENT_READ, self.fail)
        error = self.assertRaises(KnockError, self.loop.turn)
        self.assertIn("knock on fewer hosts", str(error))


class AgentTests(SynchronousTestCase):
    """Sealed knocks with an agent."""

    def setUp(self) -> None:
        """Start an agent that answers as the script says."""
        self.key = makeKey("ed25519")
        self.path = os.path.join(mkdtemp(dir="/tmp"), "agent")
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen()
        self.addCleanup(self.server.close)
        self.door = FakeDoor()
        self.addCleanup(self.door.close)
        self.agent = FakeAgent(AgentReactor(), self.key)
        self.said: list[str] = []

    def serve(self, *answers: Callable[[socket.socket, bytes], None]) -> None:
        """Answer so many connections in another thread."""

        def run() -> None:
            for answer in answers:
                self.server.settimeout(PATIENCE)
                connection, _ = self.server.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    size = int.from_bytes(connection.recv(4))
                    request = b""
                    while len(request) < size:
                        request += connection.recv(size - len(request))
                    answer(connection, request)

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def answer(self, connection: socket.socket, request: bytes) -> None:
        """Answer as an agent does, in pieces."""
        answer = self.agent.answer(request)
        for byte in len(answer).to_bytes(4) + answer:
            connection.sendall(bytes([byte]))

    def hangUp(self, connection: socket.socket, request: bytes) -> None:
        """Hang up."""

    def attempt(self) -> Attempt:
        """Return an attempt with a sealed knock."""
        method = SealedMethod(
            sequence=Sequence(self.door.ports),
            door="web",
            seconds=0.0,
            close=False,
            bind="auto",
            identity=Identity("agent", self.path, lambda prompt: b""),
            timeOfDay=lambda: 1.5e9,
            findLocalAddress=findLocalAddress,
        )
        return Attempt(HOST, method)

    def test_sealed(self) -> None:
        """The agent lists its keys and signs; the knock arrives three times at each port."""
        self.serve(self.answer, self.answer)
        perform(self.attempt(), self.said.append)
        self.door.hear(rounds=3)
        (datagram,) = {datagram for _, datagram in self.door.heard}
        sealed = parseSealed(datagram)
        data = makeSignedData(sealed.text, Sequence(self.door.ports))
        self.assertTrue(isGood(loadKey(self.key.blob()), sealed.signature, data))

    def test_hangsUp(self) -> None:
        """An agent that hangs up is one sentence, whenever it does."""
        for answers, what in (((self.hangUp,), "list its"), ((self.answer, self.hangUp), "sign")):
            self.serve(*answers)
            error = self.assertRaises(KnockError, perform, self.attempt(), print)
            self.assertIn(f"does not {what}", str(error))

    def test_away(self) -> None:
        """If none listens, that is one sentence."""
        self.server.close()
        error = self.assertRaises(KnockError, perform, self.attempt(), print)
        self.assertIn(f"no SSH agent answers at {self.path} (SSH_AUTH_SOCK)", str(error))

    def test_mute(self) -> None:
        """One that does not answer is not waited for."""
        from pkdoors.client.core import agent

        self.patch(agent, "LIST_TIMEOUT", 0.1)
        error = self.assertRaises(KnockError, perform, self.attempt(), print)
        self.assertIn("does not answer", str(error))

    def test_noUnixSockets(self) -> None:
        """Where Python has none, the sentence says what to use instead."""
        self.patch(socket, "AF_UNIX", None)
        del socket.AF_UNIX
        error = self.assertRaises(KnockError, perform, self.attempt(), print)
        self.assertIn("Python cannot connect to an agent on this system", str(error))
