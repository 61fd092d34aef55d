"""Tests of L{pkdoors.commands.completion}; C{tests.real.test_completion} has shells."""

import os
from argparse import Namespace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands import completion
from pkdoors.commands.completion import (
    listDoors,
    listFiles,
    listOpenAddresses,
    listProfiles,
    listSshHosts,
)
from tests.fakes.admin import FakeAdmin, makeOpening


class FilesTests(SynchronousTestCase):
    """
    Tests of L{listFiles}.
    """

    def setUp(self) -> None:
        """Make some files."""
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.folder}/below")
        for name in ("a", "b", ".hidden"):
            open(f"{self.folder}/{name}", "w").close()

    def test_all(self) -> None:
        """Without a beginning all files are offered except hidden ones; folders have a slash."""
        names = [f"{self.folder}/{name}" for name in ("a", "b", "below/")]
        self.assertEqual(names, listFiles(f"{self.folder}/"))

    def test_begun(self) -> None:
        """Files that begin with the typed text are offered."""
        self.assertEqual([f"{self.folder}/.hidden"], listFiles(f"{self.folder}/."))
        self.assertEqual([f"{self.folder}/below/"], listFiles(f"{self.folder}/be"))
        self.assertEqual([], listFiles(f"{self.folder}/none/"))

    def test_written(self) -> None:
        """
        They are offered in the way they were typed: from here, from the root, or from the home.
        """
        self.patch(os, "environ", {**os.environ, "HOME": self.folder})
        self.assertEqual(["~/below/"], listFiles("~/be"))
        self.assertIn("/etc/", listFiles("/et"))
        folder = os.path.relpath(self.folder)
        self.assertEqual([f"{folder}/a"], listFiles(f"{folder}/a"))


class DaemonTests(SynchronousTestCase):
    """
    Tests of L{listDoors} and L{listOpenAddresses}.
    """

    def test_daemon(self) -> None:
        """The names are the daemon's; the addresses are only those of the chosen door."""
        with FakeAdmin() as admin:
            admin.openings = [makeOpening("192.0.2.8"), makeOpening("192.0.2.7", "web")]
            options = Namespace(admin=admin.path, conf=None, door=None)
            self.assertEqual(["ssh", "web"], listDoors(options))
            self.assertEqual(["192.0.2.7", "192.0.2.8"], listOpenAddresses(options))
            options.door = "web"
            self.assertEqual(["192.0.2.7"], listOpenAddresses(options))

    def test_none(self) -> None:
        """Without a daemon, or with one that cannot be understood, nothing is offered."""
        with FakeAdmin() as admin:
            options = Namespace(admin=admin.path)
            answers: tuple[object, ...] = ({}, [], {"doors": [{}]}, {"doors": 7}, "no JSON")
            for answer in answers:
                admin.answers["GET", "/status"] = (200, answer)
                self.assertEqual([], listDoors(options), answer)
            admin.stop()
            self.assertEqual([], listDoors(options))


class OtherTests(SynchronousTestCase):
    """
    Tests of L{listProfiles}.
    """

    def test_badHosts(self) -> None:
        """A file of profiles that cannot be used does no harm."""
        folder = os.path.abspath(self.mktemp())
        os.makedirs(f"{folder}/pkdoors")
        file = f"{folder}/pkdoors/hosts.toml"
        self.patch(completion, "environ", {"XDG_CONFIG_HOME": folder})
        self.assertEqual([], listProfiles())
        with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write('[hosts.a]\n[hosts.b]\n[groups.all]\nhosts = ["a", "b"]\n')
        self.assertEqual(["a", "b", "all"], listProfiles())
        os.truncate(file, 5)
        self.assertEqual([], listProfiles())


class SshHostsTests(SynchronousTestCase):
    """
    Tests of L{listSshHosts}.
    """

    def test_hosts(self) -> None:
        """The names in ssh's configuration, without patterns, for any user; none without it."""
        home = os.path.abspath(self.mktemp())
        os.makedirs(f"{home}/.ssh")
        self.patch(os, "environ", {**os.environ, "HOME": home})
        self.assertEqual([], listSshHosts(""))
        with open(f"{home}/.ssh/config", "wb") as file:
            file.write(b"Host gate1 gate2 *.lan !x\n  HostName a\n\nhost web\n#Host no\n\xff\n")
        self.assertEqual(["gate1", "gate2", "web"], listSshHosts(""))
        self.assertEqual(["root@gate1", "root@gate2", "root@web"], listSshHosts("root@g"))
