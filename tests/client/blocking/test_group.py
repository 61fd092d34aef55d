"""Tests of L{pkdoors.client.blocking.group}, with sockets of this host."""

import os
import socket
from shutil import rmtree
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.blocking import _names, driver, group
from pkdoors.client.blocking.group import performAll
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.methods import PlainMethod, SealedMethod, Tools
from pkdoors.client.core.plan import Plan
from pkdoors.client.keys.signers import Identity
from pkdoors.client.network import findLocalAddress
from pkdoors.errors import KnockError
from pkdoors.knocks.seal import parseSealed
from pkdoors.model.sequence import Sequence
from tests.fakes import knocked
from tests.fakes.agent import AgentReactor, FakeAgent, makeKey
from tests.lab.hosts import eventually

HOST = knocked.HOST
PATIENCE = knocked.PATIENCE


class GroupTestCase(SynchronousTestCase):
    """
    A test with several hosts.

    @ivar results: how each attempt ended, in the order in which they did.
    """

    def setUp(self) -> None:
        """Nothing is reported yet."""
        self.results: dict[str, Outcome | KnockError] = {}
        self.said: list[tuple[str, str]] = []

    def door(self) -> knocked.FakeDoor:
        """Make a door."""
        door = knocked.FakeDoor()
        self.addCleanup(door.close)
        return door

    def plain(self, door: knocked.FakeDoor, host: str = HOST, **fields: Any) -> Attempt:
        """Return an attempt with a plain knock."""
        method = PlainMethod(Sequence(door.ports), 0.0, 0.001)
        return Attempt(**{"host": host, "method": method, "timeout": PATIENCE, **fields})

    def perform(self, **attempts: Attempt) -> None:
        """Knock on all."""
        performAll(attempts, lambda *said: self.said.append(said), self.results.__setitem__)


class PerformAllTests(GroupTestCase):
    """
    Tests of L{performAll}.
    """

    def test_all(self) -> None:
        """All are knocked on, and each result is reported once."""
        doors = [self.door() for _ in range(3)]
        self.perform(**{f"h{n}": self.plain(door) for n, door in enumerate(doors)})
        self.assertEqual({"h0", "h1", "h2"}, {*self.results})
        for door, name in zip(doors, self.results, strict=True):
            self.assertEqual(f"knocked on {HOST} ({HOST})", str(self.results[name]))
            door.hear()
            self.assertEqual([(at, b"knock\n") for at in range(5)], door.heard)

    def test_none(self) -> None:
        """Without hosts, it is over at once."""
        self.perform()
        self.assertEqual({}, self.results)

    def test_failures(self) -> None:
        """One that fails does not hold up the others."""
        door, other = self.door(), self.door()
        self.perform(
            bad=self.plain(other, "127.0.0.2", port=other.protected, tries=1, timeout=0.1),
            none=self.plain(other, "two words"),
            good=self.plain(door),
        )
        self.assertEqual("bad", [*self.results][-1])
        self.assertIn("refuses connections", str(self.results["bad"]))
        self.assertIn("no address found", str(self.results["none"]))
        self.assertIsInstance(self.results["good"], Outcome)

    def test_slowName(self) -> None:
        """A name whose look-up takes long holds up no other, however many there are of them."""
        reported, real = Event(), socket.getaddrinfo

        def lookUp(given: str | bytes, *rest: Any) -> Any:
            host = os.fsdecode(given)
            if host.startswith("slow"):
                reported.wait(PATIENCE)
                host = "127.0.0.2" if host == "slow0" else "127.0.0.3"
            return real(host if host != "quick" else HOST, *rest)

        self.patch(socket, "getaddrinfo", lookUp)
        self.patch(_names, "MAX_LOOKUPS", 3)
        doors = {name: self.door() for name in ("slow0", "slow1", "quick", HOST)}

        def report(name: str, result: Outcome | KnockError) -> None:
            self.results[name] = result
            if {"quick", HOST} <= {*self.results}:
                reported.set()

        attempts = {name: self.plain(door, name) for name, door in doors.items()}
        performAll(attempts, lambda *said: None, report)
        self.assertEqual({"quick", HOST}, {*[*self.results][:2]})
        self.assertEqual(4, sum(isinstance(each, Outcome) for each in self.results.values()))

    def test_noThreads(self) -> None:
        """If the system has no thread left, names are looked up one after the other."""
        with mock.patch.object(_names, "start_new_thread", side_effect=RuntimeError):
            for name in ("one", "other"):
                self.perform(**{name: self.plain(self.door(), "localhost", family=4)})
                self.assertIsInstance(self.results[name], Outcome)

    def test_sameAddress(self) -> None:
        """Knocks on one address come one after another: the host would hear them mixed."""
        door = self.door()
        sent: list[tuple[str, int]] = []
        real = driver.VisitDriver._send

        def note(visiting: Any, action: Any) -> None:
            sent.append((visiting._attempt.host, action.port))
            real(visiting, action)

        self.patch(driver.VisitDriver, "_send", note)
        twin = self.plain(door, "localhost", family=4)
        self.perform(one=self.plain(door), two=twin, three=self.plain(door))
        self.assertEqual([*range(5)] * 3, [door.ports.index(port) for _, port in sent])
        self.assertEqual(3, len(self.results))

    def test_nothingLeft(self) -> None:
        """All descriptors are closed at the end, whatever the end."""
        counts = []
        for _ in range(3):  # the first round may open what stays
            door = self.door()
            closed = self.plain(door, "127.0.0.2", port=door.protected, tries=1, timeout=0.1)
            before = len(os.listdir("/proc/self/fd"))
            self.perform(good=self.plain(door), bad=closed, none=self.plain(door, "two words"))
            counts.append(len(os.listdir("/proc/self/fd")) - before)
        self.assertEqual([0, 0], counts[1:])

    def test_interrupted(self) -> None:
        """An interruption is passed on, and nothing stays open."""

        class Interrupted(PlainMethod):
            async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
                """The user presses Ctrl-C."""
                raise KeyboardInterrupt

        door = self.door()
        method = Interrupted(Sequence(door.ports), 0.0, 0.0)
        attempts = {"it": Attempt(HOST, method), "other": self.plain(door, "127.0.0.2")}
        before = len(os.listdir("/proc/self/fd"))
        with self.assertRaises(KeyboardInterrupt):
            self.perform(**attempts)
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))


class AgentTests(GroupTestCase):
    """Sealed knocks with one agent."""

    def setUp(self) -> None:
        """Start an agent."""
        super().setUp()
        self.agent = FakeAgent(AgentReactor(), makeKey("ed25519"))
        self.path = os.path.join(mkdtemp(dir="/tmp"), "agent")
        self.addCleanup(rmtree, os.path.dirname(self.path))
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.addCleanup(self.server.close)
        self.server.listen(0)
        self.touched = Event()
        self.asked: list[int] = []
        self.waiting: list[bool] = []
        self.time = 1.5e9

    def serve(self, count: int) -> None:
        """Answer so many requests; sign only after a touch."""

        def run() -> None:
            for _ in range(count):
                self.server.settimeout(PATIENCE)
                connection, _ = self.server.accept()
                with connection:
                    size = int.from_bytes(connection.recv(4))
                    request = connection.recv(size, socket.MSG_WAITALL)
                    self.asked.append(request[0])
                    if request[0] == 13:  # it signs
                        self.touched.wait(PATIENCE)
                        self.server.settimeout(0.05)
                        self.waiting.append(self._isAsked())
                        self.time += 10
                    answer = self.agent.answer(request)
                    connection.sendall(len(answer).to_bytes(4) + answer)

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def _isAsked(self) -> bool:
        """Return whether another question comes meanwhile."""
        try:
            connection, _ = self.server.accept()
        except TimeoutError:
            return False
        connection.close()
        return True

    def sealed(self, door: knocked.FakeDoor, host: str) -> Attempt:
        """Return an attempt with a sealed knock."""
        method = SealedMethod(
            sequence=Sequence(door.ports),
            door="web",
            seconds=0.0,
            close=False,
            bind="none",
            identity=Identity("agent", self.path, lambda prompt: b""),
            timeOfDay=lambda: self.time,
            findLocalAddress=findLocalAddress,
        )
        return Attempt(host, method)

    def test_touch(self) -> None:
        """A user who does not touch a key at once holds up only knocks that need it, too."""
        self.serve(4)
        door = self.door()

        def report(name: str, result: Outcome | KnockError) -> None:
            self.results[name] = result
            if name == "plain":
                self.touched.set()

        attempts = {
            "one": self.sealed(door, HOST),
            "two": self.sealed(door, "127.0.0.2"),
            "plain": self.plain(door, "127.0.0.3"),
        }
        performAll(attempts, lambda *said: None, report)
        self.assertEqual(["plain", "one", "two"], [*self.results])
        self.assertEqual(3, sum(isinstance(each, Outcome) for each in self.results.values()))

    def test_oneQuestion(self) -> None:
        """The agent is asked one question at a time, and each knock has the time of its sending."""
        self.serve(6)
        self.touched.set()
        doors = [self.door() for _ in range(3)]
        for door, host in zip(doors, ("127.0.0.1", "127.0.0.2", "127.0.0.3"), strict=True):
            for old in door._sockets:
                old.close()
            door._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
            for each in door._sockets:
                each.bind((host, 0))
            door.ports = tuple(each.getsockname()[1] for each in door._sockets)
        self.perform(
            a=self.sealed(doors[0], "127.0.0.1"),
            b=self.sealed(doors[1], "127.0.0.2"),
            c=self.sealed(doors[2], "127.0.0.3"),
        )
        self.assertEqual([11] * 3 + [13] * 3, self.asked)
        self.assertEqual([False] * 3, self.waiting)
        for door, stamp in zip(doors, (0, 10, 20), strict=True):
            door.hear(rounds=1)
            found = parseSealed(door.heard[0][1]).statement.stamp
            self.assertEqual((1_500_000_000 + stamp) * 1000, found)

    def test_mute(self) -> None:
        """An agent that does not even list its keys holds up nobody else."""
        done: list[str] = []

        def report(name: str, result: Outcome | KnockError) -> None:
            done.append(name)
            self.results[name] = result

        from pkdoors.client.core import agent

        self.patch(agent, "LIST_TIMEOUT", 3.0)
        self.patch(group, "PREPARING", 0.1)
        door = self.door()
        attempts = {
            "sealed": self.sealed(door, HOST),
            "plain": self.plain(door, "127.0.0.2"),
        }
        performAll(attempts, lambda *said: None, report)
        self.assertEqual(["plain", "sealed"], done)
        self.assertIn("does not answer", str(self.results["sealed"]))

    def test_busy(self) -> None:
        """An agent with too many clients is asked again, and holds up nobody else meanwhile."""
        crowd = []
        for _ in range(2):  # more than it queues
            each = socket.socket(socket.AF_UNIX)
            each.setblocking(False)
            each.connect_ex(self.path)
            crowd.append(each)
            self.addCleanup(each.close)
        door = self.door()

        def report(name: str, result: Outcome | KnockError) -> None:
            self.results[name] = result
            if name == "plain":
                for each in crowd:
                    each.close()
                self.server.settimeout(1)
                self.server.accept()[0].close()
                self.serve(2)
                self.touched.set()

        self.patch(group, "PREPARING", 0.05)
        attempts = {
            "sealed": self.sealed(door, HOST),
            "plain": self.plain(door, "127.0.0.2"),
        }
        performAll(attempts, lambda *said: None, report)
        self.assertEqual(["plain", "sealed"], [*self.results])
        self.assertIsInstance(self.results["sealed"], Outcome)
        self.assertTrue(eventually(lambda: self.asked == [11, 13]))
