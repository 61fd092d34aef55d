"""Tests of L{pkdoors.daemon.sdnotify}."""

import os
import socket
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.sdnotify import Notifier
from pkdoors.events.event import HEALED, RELOAD_REFUSED, RELOADED, Event
from tests.fakes.log import Log


class NotifierTests(SynchronousTestCase):
    """
    Tests of L{Notifier}.
    """

    def setUp(self) -> None:
        """Be the service manager."""
        self.log = Log(self)
        self.status = "guarding ssh (22/tcp)"
        self.clock = Clock()
        folder = Path(mkdtemp())  # not mktemp(): the path of a socket has at most 107 bytes
        self.addCleanup(rmtree, folder)
        self.path = str(folder / "notify")
        self.manager = self.listen(self.path)

    def listen(self, address: str) -> socket.socket:
        """Listen on an address."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(manager.close)
        manager.bind(address)
        return manager

    def notifier(self, **environment: str) -> Notifier:
        """Return a notifier for it."""
        variables = {"NOTIFY_SOCKET": self.path, **environment}
        return Notifier(self.clock, variables, lambda: self.status)

    def told(self) -> list[str]:
        """Return the messages since the last time."""
        messages = []
        try:
            while True:
                messages.append(self.manager.recv(4096).decode())
        except BlockingIOError:
            return messages

    def test_start(self) -> None:
        """The daemon says that it is ready, and what it does, at that moment and not before."""
        notifier = self.notifier()
        notifier.prepare()
        notifier.start()
        notifier.reopen()
        self.assertEqual([], self.told())
        notifier.ready()
        self.assertEqual(["READY=1\nSTATUS=guarding ssh (22/tcp)"], self.told())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stop(self) -> None:
        """The stop sends a message, and no signs of life follow."""
        notifier = self.notifier(WATCHDOG_USEC="4000000")
        notifier.ready()
        self.told()
        self.successResultOf(notifier.stop())
        self.assertEqual(["STOPPING=1"], self.told())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_reloaded(self) -> None:
        """After a reload it sends again what it does; other events do not matter to the manager."""
        notifier = self.notifier()
        notifier.sendStatus()  # not before it is ready
        notifier.ready()
        self.told()
        self.status = "guarding web (80/tcp)"
        notifier.hear(Event(HEALED, 0.0))
        self.assertEqual([], self.told())
        for kind in (RELOADED, RELOAD_REFUSED):
            notifier.hear(Event(kind, 0.0))
            self.assertEqual(["STATUS=guarding web (80/tcp)"], self.told())

    def test_life(self) -> None:
        """A sign of life comes at once, and then after half of the time that the manager waits."""
        self.notifier(WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid())).ready()
        self.assertEqual("WATCHDOG=1", self.told()[1])
        for _ in range(3):
            self.clock.advance(1.9)
            self.assertEqual([], self.told())
            self.clock.advance(0.1)
            self.assertEqual(["WATCHDOG=1"], self.told())

    def test_notWatched(self) -> None:
        """There are none if they are meant for another process, not wanted, or not a number."""
        for variables in (
            {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": ""},
        ):
            self.notifier(**variables).ready()
            self.assertEqual(([], 1), (self.clock.getDelayedCalls(), len(self.told())), variables)

    def test_noManager(self) -> None:
        """Without a manager, or with one of another kind, nothing is sent and no timer runs."""
        for name in ("", "vsock:2:1234", "notify"):
            notifier = self.notifier(NOTIFY_SOCKET=name, WATCHDOG_USEC="4000000")
            notifier.ready()
            self.assertEqual([], self.clock.getDelayedCalls())
            notifier.stop()
        self.assertEqual(([], []), (self.told(), self.log.lines()))

    def test_abstract(self) -> None:
        """The manager's socket may be an abstract one."""
        name = f"pkdoors-{os.getpid()}"
        self.manager = self.listen(f"\0{name}")
        self.notifier(NOTIFY_SOCKET=f"@{name}").stop()
        self.assertEqual(["STOPPING=1"], self.told())

    def test_environment(self) -> None:
        """A program that the daemon starts cannot find the manager."""
        environment = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "A": "b"}
        Notifier(self.clock, environment, str)
        self.assertEqual({"A": "b"}, environment)

    def test_busyManager(self) -> None:
        """A manager without room for a sign of life gets the next one; nobody waits for it."""
        notifier = self.notifier(WATCHDOG_USEC="2000000")
        notifier.ready()
        self.clock.pump([1.0] * 2000)
        self.assertIn(len(self.told()), range(2, 2000))
        self.clock.advance(1.0)
        self.assertEqual(["WATCHDOG=1"], self.told())
        self.assertEqual([], self.log.lines())

    def test_managerGone(self) -> None:
        """
        A missing manager is a warning, and the daemon continues; a new one gets messages again.
        """
        os.unlink(self.path)
        notifier = self.notifier(WATCHDOG_USEC="2000000")
        notifier.ready()
        self.assertEqual(
            "cannot notify the service manager of READY=1 (NOTIFY_SOCKET): No such file or "
            "directory",
            self.log.lines()[0],
        )
        self.manager = self.listen(self.path)
        self.clock.advance(1.0)
        self.assertEqual(["WATCHDOG=1"], self.told())
