"""Tests of L{pkdoors.config.file}."""

import errno
import os
import pwd
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import pkdoors.config.file
from pkdoors.config.file import isThere, listConfPlaces, listSeedPlaces, readConf, writeConf
from pkdoors.errors import ConfigError
from pkdoors.host import serviceuser


class ConfFileTestCase(SynchronousTestCase):
    """A test with a folder."""

    def setUp(self) -> None:
        """Make the folder, and set a usual umask."""
        # Not in trial's folder: others may be able to write there.
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = str(self.folder / "pkdoors.toml")
        self.addCleanup(os.umask, os.umask(0o022))


class ReadTests(ConfFileTestCase):
    """
    Tests of L{readConf} and L{isThere}.
    """

    def write(self, text: bytes = b"text\n", mode: int = 0o600) -> None:
        """Make the file."""
        Path(self.path).unlink(missing_ok=True)
        Path(self.path).write_bytes(text)
        os.chmod(self.path, mode)

    def refused(self) -> str:
        """Return the one line that refuses the file."""
        line = str(self.assertRaises(ConfigError, readConf, self.path))
        self.assertNotIn("\n", line)
        self.assertIn(self.path, line)
        return line

    def test_private(self) -> None:
        """A file that only its owner may read is read."""
        for mode in (0o600, 0o400, 0o700):
            self.write("schön\n".encode(), mode)
            self.assertEqual("schön\n", readConf(self.path))

    def test_readable(self) -> None:
        """A file that others may read is refused, and the error says what to do."""
        for mode in (0o640, 0o604, 0o644, 0o610):
            self.write(mode=mode)
            self.assertEqual(
                f"other users can read {self.path}, and the sequence in it is a secret: "
                f"`chmod 600 {self.path}`",
                self.refused(),
            )

    def test_writable(self) -> None:
        """A file that others may write is refused, too."""
        for mode in (0o620, 0o602, 0o666, 0o660):
            self.write(mode=mode)
            self.assertEqual(
                f"other users can write {self.path} and so open every door: "
                f"`chmod 600 {self.path}`",
                self.refused(),
            )

    def test_quoted(self) -> None:
        """The command in the error is right for a name with blanks, too."""
        self.path = str(self.folder / "a b")
        self.write(mode=0o644)
        self.assertIn(f"`chmod 600 '{self.path}'`", self.refused())

    def test_owner(self) -> None:
        """A file of another user is refused; root's is not."""
        self.write()
        owner = os.stat(self.path).st_uid
        self.patch(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            self.assertEqual("text\n", readConf(self.path))
            os.chown(self.path, 65534, -1)
        self.assertIn(
            f"belongs to another user, who could change it and open every door: "
            f"`chown root {self.path}`",
            self.refused(),
        )

    def test_folders(self) -> None:
        """
        A file that others could replace, because they can write a folder above it, is refused.
        """
        self.path = str(self.folder / "etc" / "pkdoors.toml")
        folder = self.folder / "etc"
        folder.mkdir(0o755)
        self.write()
        for unsafe in (folder, self.folder):
            before = unsafe.stat().st_mode & 0o7777
            for mode in (0o775, 0o757, 0o777):
                unsafe.chmod(mode)
                self.assertEqual(
                    f"other users could replace {self.path} and so open every door, "
                    f"because {unsafe} can be written by others: `chmod go-w {unsafe}`",
                    self.refused(),
                )
            unsafe.chmod(0o1777)  # a sticky bit: nobody can replace another user's file
            self.assertEqual("text\n", readConf(self.path))
            unsafe.chmod(before)

    def test_home(self) -> None:
        """A file in another user's home is refused; that user may use it."""
        if os.geteuid():
            raise SkipTest("this test gives a folder away: run it as root (sudo script/test)")
        self.write()
        os.chown(self.folder, 1234, -1)
        line = self.refused()
        self.assertIn(f"because {self.folder} belongs to another user: move the conf", line)
        os.chown(self.path, 1234, -1)
        self.patch(os, "geteuid", lambda: 1234)
        self.assertEqual("text\n", readConf(self.path))

    def test_link(self) -> None:
        """A file behind a link that leads through such a folder is refused."""
        self.write()
        unsafe = self.folder / "unsafe"
        unsafe.mkdir()
        (unsafe / "link").symlink_to("../pkdoors.toml")
        self.path = str(unsafe / "link")
        self.assertEqual("text\n", readConf(self.path))
        unsafe.chmod(0o777)
        self.assertIn(f"because {unsafe} can be written by others", self.refused())

    def test_missing(self) -> None:
        """If there is no file, the error says how to create one."""
        self.assertEqual(
            f"cannot read {self.path}: No such file or directory: create it with `pkdoors init`",
            self.refused(),
        )

    def test_unreadable(self) -> None:
        """If we may not read the file, the error says who can, and how the service can."""

        def refuse(path: str, *limits: int) -> object:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(pkdoors.config.file, "readFile", refuse)
        self.assertEqual(
            f"cannot read {self.path}: Permission denied: run this as root; "
            "`pkdoors install-service` lets the service read it",
            self.refused(),
        )

    def test_noFile(self) -> None:
        """A folder or a pipe is refused, without waiting for a writer."""
        os.mkfifo(self.path, 0o600)
        self.assertEqual(f"cannot read {self.path}: it is a pipe, not a file", self.refused())
        os.unlink(self.path)
        os.mkdir(self.path, 0o700)
        self.assertEqual(
            f"cannot read {self.path}: Is a directory: give the path of a file", self.refused()
        )

    def test_noText(self) -> None:
        """A file that is not text is refused."""
        self.write(b"\xff\n")
        self.assertIn(": it is not UTF-8 text (line 1)", self.refused())

    def test_isThere(self) -> None:
        """A file's existence is known; if it cannot be known, the file counts as existing."""
        self.assertFalse(isThere(self.path))
        self.write()
        self.assertTrue(isThere(self.path))
        self.assertFalse(isThere(f"{self.path}/below"))
        self.assertTrue(isThere("/" + "x" * 300))  # a name that is too long causes an error


class ServiceTests(ConfFileTestCase):
    """The service has a user of its own."""

    if os.getuid() != 0:
        skip = "these tests give files to a group: run them as root (sudo script/test)"

    def setUp(self) -> None:
        """Set the service's group."""
        super().setUp()
        self.group: int | None = 61234
        self.patch(pkdoors.config.file, "findServiceGroup", lambda: self.group)
        self.patch(serviceuser, "findServiceGroup", lambda: self.group)

    def write(self, mode: int, user: int = 0, group: int = 61234) -> None:
        """Make a file."""
        Path(self.path).write_text("text\n")
        os.chown(self.path, user, group)
        os.chmod(self.path, mode)

    def test_groupReads(self) -> None:
        """A file of root's that only the service may read is read."""
        for mode in (0o640, 0o440):
            self.write(mode)
            self.assertEqual("text\n", readConf(self.path))

    def test_others(self) -> None:
        """
        A file that others may read, or that the service may write, is refused; mode 640 is right.
        """
        for mode, word in ((0o644, "read"), (0o650, "read"), (0o660, "write")):
            self.write(mode)
            line = str(self.assertRaises(ConfigError, readConf, self.path))
            self.assertIn(f"other users can {word} ", line)
            self.assertTrue(line.endswith(f": `chmod 640 {self.path}`"), line)

    def test_otherGroup(self) -> None:
        """
        A file that another group may read is refused, and so are all such files without a service.
        """
        self.write(0o640, group=61235)
        line = str(self.assertRaises(ConfigError, readConf, self.path))
        remedy = f"`chgrp pkdoors {self.path} && chmod 640 {self.path}`"
        self.assertTrue(line.endswith(f": {remedy}"), line)
        self.group = None
        self.write(0o640)
        self.assertRaises(ConfigError, readConf, self.path)

    def test_ownFile(self) -> None:
        """
        A file that the service's user owns must be as private as any: only root's may have the
        group.
        """
        self.write(0o640, user=61234)
        self.patch(os, "geteuid", lambda: 61234)
        line = str(self.assertRaises(ConfigError, readConf, self.path))
        self.assertTrue(line.endswith(f": `chmod 600 {self.path}`"), line)

    def test_write(self) -> None:
        """The service may read a new file, and the folder that is made for it."""
        self.path = str(self.folder / "new" / "pkdoors.toml")
        self.patch(pkdoors.config.file, "CONF_FILE", self.path)
        self.assertTrue(writeConf(self.path, "text\n"))
        for path, mode in ((self.path, 0o640), (os.path.dirname(self.path), 0o750)):
            status = os.stat(path)
            self.assertEqual(
                (0, 61234, mode), (status.st_uid, status.st_gid, status.st_mode & 0o7777)
            )

    def test_noService(self) -> None:
        """Without a service only the owner may read it."""
        self.group = None
        self.assertFalse(writeConf(self.path, "text\n"))
        self.assertEqual(0o600, os.stat(self.path).st_mode & 0o7777)

    def test_notRoot(self) -> None:
        """A user who is not root cannot give it to the service."""
        self.patch(os, "geteuid", lambda: 1000)
        self.assertFalse(writeConf(self.path, "text\n"))
        self.assertEqual(0o600, os.stat(self.path).st_mode & 0o7777)


class PlacesTests(SynchronousTestCase):
    """
    Tests of L{listConfPlaces} and L{listSeedPlaces}.
    """

    def test_order(self) -> None:
        """
        Our own file comes before those of port-knocking-doors, and the user's before the host's.
        """
        theirs = ["/home/anna/.port_knocker.toml", "/etc/port_knocker.toml"]
        self.assertEqual(theirs, listSeedPlaces({"HOME": "/home/anna"}))
        self.assertEqual(
            ["/etc/pkdoors/pkdoors.toml", *theirs], listConfPlaces({"HOME": "/home/anna"})
        )

    def test_noVariable(self) -> None:
        """If the environment has no home, as for a service, the home of the user is used."""
        home = pwd.getpwuid(os.geteuid()).pw_dir
        for environment in ({}, {"HOME": ""}):
            self.assertEqual(f"{home}/.port_knocker.toml", listSeedPlaces(environment)[0])

    def test_noHome(self) -> None:
        """A user without a home has one place less; the daemon's folder does not count."""
        self.assertEqual(["/etc/port_knocker.toml"], listSeedPlaces({"HOME": "anna"}))
        self.patch(os, "geteuid", lambda: 4_000_000_000)
        self.assertEqual(["/etc/port_knocker.toml"], listSeedPlaces({}))


class WriteTests(ConfFileTestCase):
    """
    Tests of L{writeConf}.
    """

    def test_private(self) -> None:
        """Only its owner may read the file, and the default folder, which is made for it."""
        self.path = str(self.folder / "new" / "pkdoors.toml")
        self.patch(pkdoors.config.file, "CONF_FILE", self.path)
        writeConf(self.path, "schön\n")
        self.assertEqual("schön\n", readConf(self.path))
        self.assertEqual(0o600, os.stat(self.path).st_mode & 0o7777)
        self.assertEqual(0o700, os.stat(os.path.dirname(self.path)).st_mode & 0o7777)

    def test_noFolder(self) -> None:
        """No other folder is made: its name may be mistyped."""
        folder = self.folder / "mistyped folder"
        line = str(self.assertRaises(ConfigError, writeConf, str(folder / "pkdoors.toml"), "text"))
        self.assertEqual(
            f"the folder {folder} does not exist: create it (`mkdir -p '{folder}'`), "
            "or use --output FILE to write elsewhere",
            line,
        )
        self.assertFalse(folder.exists())

    def test_folderIsThere(self) -> None:
        """A folder that exists stays as it is."""
        os.chmod(self.folder, 0o755)
        writeConf(self.path, "text\n")
        self.assertEqual(0o755, os.stat(self.folder).st_mode & 0o7777)

    def test_neverOverwrites(self) -> None:
        """A file that exists is not overwritten, even if it is a link to nowhere."""
        Path(self.path).write_text("mine\n")
        link = f"{self.path}.link"
        os.symlink(f"{self.path}.other", link)
        for path in (self.path, link):
            line = str(self.assertRaises(ConfigError, writeConf, path, "text\n"))
            self.assertEqual(
                f"{path} already exists and is not overwritten: "
                "move it away, or use --output FILE to write elsewhere",
                line,
            )
        self.assertEqual("mine\n", Path(self.path).read_text())
        self.assertFalse(Path(f"{self.path}.other").exists())

    def test_cannot(self) -> None:
        """If it cannot be written, the error is one sentence."""
        Path(self.path).write_text("no folder\n")
        path = f"{self.path}/pkdoors.toml"
        line = str(self.assertRaises(ConfigError, writeConf, path, "text\n"))
        self.assertEqual(
            f"cannot write {path}: Not a directory: use --output FILE to write elsewhere", line
        )

    def test_nothingHalf(self) -> None:
        """If the disk is full, no part of the file is left."""

        def full(descriptor: int, mode: str) -> object:
            os.close(descriptor)
            return open("/dev/full", mode)

        self.patch(os, "fdopen", full)
        line = str(self.assertRaises(ConfigError, writeConf, self.path, "text\n"))
        self.assertIn("No space left on device: free space there, or use --output", line)
        self.assertFalse(Path(self.path).exists())
