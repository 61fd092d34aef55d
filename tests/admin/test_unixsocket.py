"""Tests of L{pkdoors.admin.unixsocket}."""

import os
import socket
from pathlib import Path
from shutil import rmtree
from stat import S_IMODE
from tempfile import mkdtemp
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.admin._port import AdminPort
from pkdoors.admin.unixsocket import BACKLOG, AdminSocket, ensureCreatable
from pkdoors.errors import ListenError
from tests.admin.case import FakeOperations
from tests.fakes.log import Log
from tests.fakes.modules import SERVICE, haveService


class UNIXReactor(MemoryReactorClock):
    """
    Twisted's own fake reactor, with real sockets that it does not read by itself.

    @ivar madeWith: the mode that a socket had from its first moment.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        super().__init__()
        self.madeWith = 0
        chmod = os.chmod

        def look(path: str, mode: int, **options: bool) -> None:
            self.madeWith = S_IMODE(os.stat(path).st_mode)
            chmod(path, mode, **options)

        test.patch(os, "chmod", look)

    @property
    def ports(self) -> list[Any]:
        """The ports that it listens on."""
        return [reader for reader in self.getReaders() if isinstance(reader, AdminPort)]

    def kill(self) -> None:
        """End as a killed process does: the files stay."""
        for port in self.ports:
            self.removeReader(port)
            port.socket.close()


class SocketTests(SynchronousTestCase):
    """Tests of L{AdminSocket} and L{ensureCreatable}."""

    def setUp(self) -> None:
        """Make a folder."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "run" / "admin.sock"
        self.reactor = UNIXReactor(self)
        self.log = Log(self)

    def make(self, path: str | None = None) -> AdminSocket:
        """Return the component."""
        chosen = str(self.path) if path is None else path
        return AdminSocket(self.reactor, chosen, FakeOperations())

    def have(self) -> AdminSocket:
        """Return the component of a daemon that is ready."""
        component = self.make()
        component.prepare()
        component.ready()
        self.addCleanup(lambda: self.stop(component) if self.reactor.ports else None)
        return component

    def stop(self, component: AdminSocket) -> None:
        """Stop the component."""
        stopped = component.stop()
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def refused(self, path: Path | None = None) -> str:
        """Return why a socket cannot be created."""
        line = str(self.assertRaises(ListenError, ensureCreatable, str(path or self.path)))
        return line.replace(str(self.path.parent), "RUN")

    def test_private(self) -> None:
        """
        Only the owner can use the socket, from its first moment, or look into the folder that is
        made for it.
        """
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.have()
        self.assertEqual(0o600, self.reactor.madeWith)
        self.assertEqual(0o600, S_IMODE(self.path.stat().st_mode))
        self.assertEqual(0o700, S_IMODE(self.path.parent.stat().st_mode))
        self.assertEqual(0, os.umask(0))

    def test_folder(self) -> None:
        """A folder that is made is in the log, once."""
        for _ in range(2):
            ensureCreatable(str(self.path))
        line = f"created the folder of the admin socket {self.path}"
        self.assertEqual([line], self.log.lines())

    def test_life(self) -> None:
        """The socket exists from when the daemon is ready until its end."""
        component = self.make()
        component.prepare()
        component.start()
        self.assertEqual((False, []), (self.path.exists(), self.reactor.ports))
        component.ready()
        component.reopen()
        self.assertEqual((True, 1), (self.path.is_socket(), len(self.reactor.ports)))
        self.stop(component)
        self.assertEqual((False, []), (self.path.exists(), self.reactor.ports))

    def test_neverReady(self) -> None:
        """Nothing is left if the daemon never became ready."""
        component = self.make()
        component.prepare()
        self.stop(component)
        self.assertFalse(self.path.exists())

    def test_takenMeanwhile(self) -> None:
        """If its place is taken between start and readiness, the daemon runs without a socket."""
        component = self.make()
        component.prepare()
        self.path.write_text("precious")
        component.ready()
        self.assertEqual("error", self.log.levels()[-1])
        self.assertIn("there is no admin socket: ", self.log.lines()[-1])
        self.assertEqual("precious", self.path.read_text())
        self.stop(component)

    def test_off(self) -> None:
        """Without a path there is no socket."""
        component = self.make("")
        component.prepare()
        component.ready()
        self.stop(component)
        self.assertEqual([], self.reactor.ports)

    def test_stale(self) -> None:
        """The socket of a daemon that was killed is replaced."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        self.assertTrue(self.path.is_socket())
        self.have()
        self.assertEqual(1, len(self.reactor.ports))

    def test_taken(self) -> None:
        """The socket of a running daemon is not, however busy that is; nor is a file."""
        first = self.have()
        sentence = (
            "cannot create the admin socket RUN/admin.sock: another daemon or a file is there; use "
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
        """Use a folder of the service's; be root, now and at the end."""
        if os.getuid():
            raise SkipTest("this test gives a file to a user: run it as root (sudo script/test)")
        self.path = haveService(self) / "admin.sock"
        self.addCleanup(os.seteuid, 0)

    def test_rootLeft(self) -> None:
        """
        The service replaces the socket that a killed daemon of root's left in its folder.
        """
        self.useServicesFolder()
        self.have()
        self.reactor.kill()
        self.assertEqual(SERVICE, self.path.stat().st_uid)
        os.seteuid(SERVICE)
        self.have()
        self.assertEqual(1, len(self.reactor.ports))

    def test_others(self) -> None:
        """Another user's socket is left alone; a sentence says what to do."""
        self.useServicesFolder()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        self.path.chmod(0o600)
        os.seteuid(SERVICE)
        self.assertEqual(
            "cannot create the admin socket RUN/admin.sock: another user's socket is there; if no "
            "daemon runs as that user any more, remove it, or use --admin PATH for another place",
            self.refused(),
        )
        self.assertTrue(self.path.is_socket())

    def test_swapped(self) -> None:
        """If the service puts a link in its place at once, root does not change the target."""
        self.useServicesFolder()
        victim = self.path.parent.parent / "victim"
        victim.touch(0o644)

        def swap(path: str, mode: int, **options: bool) -> None:
            os.unlink(path)
            os.symlink(victim, path)
            chmod(path, mode, **options)

        chmod = os.chmod
        self.patch(os, "chmod", swap)
        component = self.make()
        component.ready()
        self.assertEqual(0o644, S_IMODE(victim.stat().st_mode))
        self.assertEqual("error", self.log.levels()[-1])

    def test_noPlace(self) -> None:
        """If a socket cannot be created, the sentence has the reason."""
        self.path.parent.mkdir()
        (self.path.parent / "file").write_text("")
        self.assertEqual(
            "cannot create the admin socket RUN/file/x: File exists; use --admin PATH for another "
            "place",
            self.refused(self.path.parent / "file" / "x"),
        )
