"""
What somebody removes or changes while very many openings exist comes back in turns: no opening and
no session is lost, none lasts longer than it should, and nobody else gets in.
"""

import json
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import MANY, ControlledTestCase, door
from tests.lab.echoing import EchoServer
from tests.lab.hosts import CLIENT4, PATIENCE, STRANGER4, Daemon, eventually
from tests.lab.traffic.prober import knocking

SOME = MANY[:600]
KNOCKS = 400
"""Clients that knock meanwhile, at most."""
TABLE = "inet pkdoors"
CHANGES = (
    f"flush set {TABLE} openings4",
    f"flush set {TABLE} tcp_open4",
    f"flush set {TABLE} tcp_ports",
    f"flush map {TABLE} tcp_doors",
    f"flush chain {TABLE} input",
    f"insert rule {TABLE} input accept",
    f"add element {TABLE} tcp_open4 {{ {STRANGER4} . {PORT} timeout 1h }}",
    f"delete element {TABLE} tcp_open4 {{ {SOME[7]} . {PORT} }}",
    f"flush set {TABLE} sessions4",
    "flush ruleset",
)


class ManyTests(ControlledTestCase):
    """A door that is open for very many, a session of a client, and knocks all the time."""

    sessions = "keep"

    def setUp(self) -> None:
        """Open the door; last for the client, so that it has to wait for all others."""
        super().setUp()
        self.running = self.begin()
        self.openMany(SOME)
        self.open(CLIENT4)

    def begin(self) -> Daemon:
        """Start the daemon. No opening ends while a test lasts, however busy the machine is."""
        return self.controlled(door("ssh", more=f'sessions = "{self.sessions}"\nopen_for = "1h"\n'))

    def isRight(self) -> bool:
        """Return whether the kernel has just what the daemon has."""
        wanted = self.openings()
        return len(wanted) > len(SOME) and self.inKernel() == wanted

    def echoes(self, session: socket.socket) -> bool:
        """Return whether a session goes on."""
        session.settimeout(PATIENCE)
        token = f"{time.monotonic()};".encode()
        session.sendall(token)
        heard = b""
        while not heard.endswith(token):
            data = session.recv(4096)
            if not data:
                return False
            heard += data
        return True

    @contextmanager
    def alongside(self, work: Callable[[], object]) -> Iterator[None]:
        """Do work again and again meanwhile."""
        isOver = threading.Event()

        def repeat() -> None:
            while not isOver.is_set():
                work()

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            yield
        finally:
            isOver.set()
            thread.join()

    def test_changes(self) -> None:
        """Whatever somebody does to sets and rules, one after the other, is undone."""
        if self.isOwned():
            self.skipTest("nobody else can change the guard")
        with EchoServer(self.listeners[PORT]):
            session = self.client.connect(PORT)
            self.addCleanup(session.close)
            self.assertTrue(self.echoes(session))
            for change in CHANGES:
                with self.subTest(change):
                    self.server.run("nft", change)
                    self.assertTrue(eventually(lambda: not self.stranger.reaches(PORT)))
                    self.assertTrue(eventually(self.isRight), self.running.log()[-2000:])
                    self.assertFalse(self.stranger.reaches(PORT))
                    self.assertTrue(self.echoes(session))

    def test_loop(self) -> None:
        """
        So is what somebody does in a loop, while clients knock, and openings begin, are extended
        and end.
        """
        if self.isOwned():
            self.skipTest("nobody else can change the guard")
        chance = random.Random(15)
        closed = SOME[:50]
        with EchoServer(self.listeners[PORT]):
            session = self.client.connect(PORT)
            self.addCleanup(session.close)
            with (
                knocking(self.network, SEQUENCE, PORT, KNOCKS) as times,
                self.alongside(lambda: self.server.status("nft", chance.choice(CHANGES))),
            ):
                for source in closed:
                    self.ask(f"/openings?source={source}", "-X", "DELETE")
                    wanted = {"source": chance.choice(SOME[50:]), "seconds": 3000}
                    self.curl("/openings", "-d", json.dumps(wanted))  # again, if it fails now
            self.assertGreater(len(times), 10)
            self.assertTrue(eventually(self.isRight), self.running.log()[-2000:])
            kernel = {source for _, source in self.inKernel()}
            self.assertEqual(set(), kernel & {*closed})
            self.assertEqual(set(), {*SOME[50:]} - kernel)
            # The last change may have been one of the rules, which no opening shows.
            self.assertTrue(eventually(lambda: not self.stranger.reaches(PORT)))
            self.assertTrue(self.echoes(session))
        self.assertNotIn("Traceback", self.running.log())

    def test_killed(self) -> None:
        """A daemon that is killed in the middle of it leaves a guard that lets nobody else in."""
        for pause in (0.0, 0.03, 0.06, 0.1):
            with self.subTest(pause):
                self.server.status("nft", f"flush set {TABLE} tcp_open4")
                time.sleep(pause)
                self.running.stop(signal.SIGKILL)
                self.assertFalse(self.stranger.reaches(PORT))
                self.running = self.begin()
                self.assertTrue(eventually(self.isRight))
                self.assertFalse(self.stranger.reaches(PORT))


class CutTests(ManyTests):
    """The same with a door that cuts sessions: they go on while it is open."""

    sessions = "cut"

    def test_busy(self) -> None:
        """A session that sends all the time survives flushes."""
        if self.isOwned():
            self.skipTest("nobody else can change the guard")
        with EchoServer(self.listeners[PORT]):
            session = self.client.connect(PORT)
            self.addCleanup(session.close)
            for _ in range(5):
                self.server.run("nft", "flush", "ruleset")
                end = time.monotonic() + 1
                while time.monotonic() < end:
                    self.assertTrue(self.echoes(session))
