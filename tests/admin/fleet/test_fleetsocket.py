"""Tests of L{pkdoors.admin.fleet.fleetsocket}."""

import errno
import grp
import os
from pathlib import Path
from shutil import rmtree
from stat import S_IMODE
from tempfile import mkdtemp
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.fleet import fleetsocket
from pkdoors.admin.fleet.fleetsocket import FleetSocket, fleetPath
from pkdoors.errors import ListenError
from tests.admin.case import FakeOperations
from tests.admin.test_unixsocket import UNIXReactor
from tests.fakes.log import Log

NO_GROUP, SOME_GROUP = "no-such-group", grp.getgrall()[-1].gr_name


class FakeFleet:
    """
    Notes what is asked of it.
    """

    def __init__(self) -> None:
        self.diary: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.diary.append(name)


class FleetSocketTests(SynchronousTestCase):
    """
    The socket, and who can use it.
    """

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = self.folder / "run" / "fleet.sock"
        self.reactor = UNIXReactor(self)
        self.log = Log(self)
        self.fleet = FakeFleet()

    def have(self, group: str = NO_GROUP) -> FleetSocket:
        """Return the component of a daemon that is ready."""
        fleet: Any = self.fleet
        component = FleetSocket(self.reactor, str(self.path), FakeOperations(), fleet, group)
        component.prepare()
        component.start()
        component.ready()
        self.addCleanup(self.stop, component)
        return component

    def stop(self, component: FleetSocket) -> None:
        """Stop the component."""
        stopped = component.stop()
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_owner(self) -> None:
        """Without the group, only the daemon's own user can use the socket."""
        self.have()
        self.assertEqual((0o600, 0o600), (self.mode(), self.reactor.madeWith))
        self.assertEqual([], [line for line in self.log.lines() if "group" in line])

    def mode(self) -> int:
        """Return the mode of the socket."""
        return S_IMODE(self.path.stat().st_mode)

    def test_group(self) -> None:
        """The group can use it, and nobody else; the folder stays as it is."""
        self.have(SOME_GROUP)
        self.assertEqual((0o660, 0o600), (self.mode(), self.reactor.madeWith))
        self.assertEqual(os.getegid(), self.path.stat().st_gid)
        self.assertEqual(0o700, S_IMODE(self.path.parent.stat().st_mode))

    def test_folder(self) -> None:
        """The daemon's own folder lets the group pass, but neither list nor change it."""
        self.patch(fleetsocket, "FOLDER", self.path.parent)
        self.have(SOME_GROUP)
        self.assertEqual(0o710, S_IMODE(self.path.parent.stat().st_mode))

    def test_refused(self) -> None:
        """If the group cannot get it, only the owner can use it, and the log says so."""

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

        self.patch(os, "setxattr", refuse)
        self.have(SOME_GROUP)
        self.assertEqual(0o600, self.mode())
        self.assertIn(f"the group {SOME_GROUP} cannot get access", self.log.lines()[-1])

    def test_busy(self) -> None:
        """If there is another daemon's socket, the error says what that means."""
        self.have()
        with self.assertRaises(ListenError) as caught:
            self.have()
        self.assertIn("neither gets the seals of other hosts nor sends", str(caught.exception))

    def test_parts(self) -> None:
        """What the daemon does in its fleet begins and ends with it, and the socket is removed."""
        component = self.have()
        self.assertEqual(["start"], self.fleet.diary)
        self.stop(component)
        self.assertEqual((["start", "stop"], False), (self.fleet.diary, self.path.exists()))

    def test_path(self) -> None:
        """The socket is beside that of the operator."""
        self.assertEqual("/run/x/fleet.sock", fleetPath("/run/x/admin.sock"))
        self.assertEqual("/run/pkdoors/fleet.sock", fleetPath(""))
