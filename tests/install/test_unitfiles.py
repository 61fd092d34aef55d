"""Tests of L{pkdoors.install.unitfiles}."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import InstallError
from pkdoors.install.unitfiles import LOCAL, PACKAGE, ServiceFiles


class ServiceFilesTests(SynchronousTestCase):
    """
    Tests of L{ServiceFiles}.
    """

    def setUp(self) -> None:
        """Name a root folder."""
        self.root = Path(self.mktemp())
        self.files = ServiceFiles(self.root, Path("/opt/pkdoors/bin"))
        self.unit = self.root / "etc/systemd/system/pkdoors.service"

    def lines(self, word: str) -> list[str]:
        """Return a line for each file."""
        return [f"{word}  {self.root / place}" for place in LOCAL.places.values()]

    def test_place(self) -> None:
        """All files are written, readable to all; the second time there is nothing to do."""
        self.assertEqual(self.lines("wrote    "), list(self.files.place()))
        modes = {path.stat().st_mode & 0o7777 for path in self.root.rglob("*") if path.is_file()}
        self.assertEqual({0o644}, modes)
        self.assertEqual(self.lines("unchanged"), list(self.files.place()))
        self.assertEqual(8, sum(path.is_file() for path in self.root.rglob("*")))

    def test_scripts(self) -> None:
        """The unit runs the programs of this installation."""
        list(self.files.place())
        text = self.unit.read_text()
        self.assertIn('ExecStart="/opt/pkdoors/bin/pkdoors" daemon\n', text)
        self.assertIn('ExecReload="/opt/pkdoors/bin/pkdoors" reload\n', text)
        self.assertNotIn("{bin}", text)

    def test_clock(self) -> None:
        """
        The fleet's process waits for the clock, and the daemon does not: the time may come from the
        network, which waits for the daemon.
        """
        list(self.files.place())
        fleet = self.unit.with_name("pkdoors-fleet.service").read_text()
        self.assertRegex(fleet, r"(?m)^After=(.* )?time-sync\.target( |$)")
        self.assertNotRegex(self.unit.read_text(), r"(?m)^\w+=.*time-sync")
        self.assertIn("Before=network-pre.target ", self.unit.read_text())

    def test_executable(self) -> None:
        """
        The fleet's process may write code into memory, or it could not speak TLS to the engine: the
        callbacks of pyOpenSSL are made so. The daemon needs no TLS, and may not.
        """
        list(self.files.place())
        fleet = self.unit.with_name("pkdoors-fleet.service").read_text()
        self.assertNotRegex(fleet, "(?m)^MemoryDenyWriteExecute=")
        self.assertRegex(self.unit.read_text(), "(?m)^MemoryDenyWriteExecute=yes$")

    def test_package(self) -> None:
        """
        A package's files are below C{/usr} and name their origin. Its service is left out, and does
        not fail, if there is no configuration yet.
        """
        files = ServiceFiles(self.root, Path("/usr/lib/pkdoors/bin"), PACKAGE)
        list(files.place())
        found = {str(path.relative_to(self.root)): path.read_text() for path in self.listFiles()}
        self.assertEqual({*PACKAGE.places.values()}, {*found})
        outside = {place for place in found if not place.startswith("usr/")}
        self.assertEqual({"etc/logrotate.d/pkdoors"}, outside)
        for text in found.values():
            self.assertIn("Part of the package pkdoors.\n", text.split("\n\n")[0] + "\n")
            self.assertNotIn("install-service", text)
            self.assertNotRegex(text, r"\{\w+\}")
        unit = found[PACKAGE.places["pkdoors.service"]]
        self.assertIn('="/usr/lib/pkdoors/bin/', unit)
        self.assertIn("\nConditionPathExists=|/etc/pkdoors/pkdoors.toml\n", unit)
        self.assertNotIn("\nAssert", unit)

    def test_layouts(self) -> None:
        """Both layouts have the same files, with the same settings."""
        texts = []
        for layout in (LOCAL, PACKAGE):
            root = self.root / layout.mark
            list(ServiceFiles(root, Path("/x"), layout).place())
            files = [root / place for _, place in sorted(layout.places.items())]
            texts.append("".join(path.read_text().partition("\n")[2] for path in files))
        self.assertEqual(texts[0], texts[1])

    def test_areRunningThis(self) -> None:
        """It is known whether a unit runs the programs of this installation."""
        self.assertFalse(self.files.areRunningThis())
        list(self.files.place())
        self.assertTrue(self.files.areRunningThis())
        self.assertFalse(ServiceFiles(self.root, Path("/opt/pkdoors")).areRunningThis())

    def listFiles(self) -> list[Path]:
        """Return all files below the root."""
        return [path for path in self.root.rglob("*") if path.is_file()]

    def test_specialCharacters(self) -> None:
        """Characters that are special in a unit are escaped."""
        list(ServiceFiles(self.root, Path('/a b/50%/$x/"\\')).place())
        self.assertIn('"/a b/50%%/$$x/\\"\\\\/pkdoors"', self.unit.read_text())

    def test_update(self) -> None:
        """An older file of ours is replaced."""
        list(self.files.place())
        self.unit.write_text("# Made by `pkdoors install-service`, long ago\n")
        done = list(self.files.place())
        self.assertEqual(f"wrote      {self.unit}", done[-1])
        self.assertEqual(1, len([line for line in done if line.startswith("wrote")]))

    def test_strange(self) -> None:
        """A file that is not ours is not touched, and no other file either."""
        self.unit.parent.mkdir(parents=True)
        self.unit.write_text("[Service]\n")
        for work in (self.files.place, self.files.remove):
            error = self.assertRaises(InstallError, list, work())
            self.assertEqual(
                f"`pkdoors install-service` did not write {self.unit}, and does not touch it: "
                "move it away, then try again",
                str(error),
            )
        (only,) = (path for path in self.root.rglob("*") if path.is_file())
        self.assertEqual("[Service]\n", only.read_text())

    def test_remove(self) -> None:
        """All files are removed, and nothing else; the second time there is nothing to do."""
        list(self.files.place())
        other = self.unit.with_name("ssh.service")
        other.write_text("")
        self.assertEqual(self.lines("removed  "), list(self.files.remove()))
        self.assertEqual([other], [path for path in self.root.rglob("*") if path.is_file()])
        self.assertEqual(self.lines("missing  "), list(self.files.remove()))

    def test_cannotWrite(self) -> None:
        """A file that cannot be written is an error."""
        self.root.mkdir()
        (self.root / "etc").write_text("in the way")
        error = self.assertRaises(InstallError, list, self.files.place())
        path = self.root / LOCAL.places["pkdoors.sysusers"]
        self.assertEqual(
            f"cannot write {path}: a symbolic link, or something that is not a folder, is in its "
            "way: move that away",
            str(error),
        )

    def test_cannotRead(self) -> None:
        """A file that cannot be read is an error."""
        self.unit.mkdir(parents=True)
        error = self.assertRaises(InstallError, list, self.files.place())
        self.assertEqual(f"cannot read {self.unit}: Is a directory: move that away", str(error))


class HostileTests(SynchronousTestCase):
    """
    Tests of root writing the files in a folder that another user prepared.
    """

    def setUp(self) -> None:
        """Make a folder, and one outside it that must not change."""
        top = Path(self.mktemp())
        self.root, self.outside = top / "root", top / "outside"
        self.root.mkdir(parents=True)
        self.outside.mkdir()
        self.victim = self.outside / "victim"
        self.victim.write_text("Made by `pkdoors install-service`, so they say\n")
        self.files = ServiceFiles(self.root, Path("/opt/pkdoors/bin"))
        self.path = self.root / LOCAL.places["pkdoors.sysusers"]

    def refused(self) -> str:
        """Return the error of placing and removing; nothing outside changes."""
        before = [*self.outside.iterdir()]
        said = [
            str(self.assertRaises(InstallError, list, work()))
            for work in (self.files.place, self.files.remove)
        ]
        self.assertEqual(before, [*self.outside.iterdir()])
        self.assertEqual(
            "Made by `pkdoors install-service`, so they say\n", self.victim.read_text()
        )
        return said[0]

    def test_link(self) -> None:
        """A link in the place of a file is neither written through nor read."""
        self.path.parent.mkdir(parents=True)
        for target in (self.victim.absolute(), Path("/nowhere/at/all"), self.path.absolute()):
            self.path.symlink_to(target)
            self.assertIn(f"{self.path}: ", self.refused())
            self.path.unlink()

    def test_linkedFolder(self) -> None:
        """A link in the place of any folder is not followed."""
        for place in self.path.parents[:2]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(self.outside.absolute())
            self.assertIn(
                "a symbolic link, or something that is not a folder, is in its way", self.refused()
            )
            place.unlink()
            if place.parent != self.root:
                place.parent.rmdir()

    def test_planted(self) -> None:
        """Files under names that a program would guess are not touched."""
        self.path.parent.mkdir(parents=True)
        guesses = [
            self.path.with_name(f".{self.path.name}{suffix}") for suffix in (".new", ".tmp", "")
        ]
        for guess in guesses:
            guess.symlink_to(self.victim.absolute())
        list(self.files.place())
        self.assertTrue(all(guess.is_symlink() for guess in guesses))
        self.assertIn("so they say", self.victim.read_text())
        self.assertFalse(self.path.is_symlink())

    def test_pipe(self) -> None:
        """A pipe is refused, without waiting for it."""
        self.path.parent.mkdir(parents=True)
        os.mkfifo(self.path)
        self.assertIn("it is a pipe, not a file", str(self.refusedTo(self.files.place)))
        self.assertIn("it is a pipe, not a file", str(self.refusedTo(self.files.remove)))

    def refusedTo(self, work: Callable[[], Iterator[str]]) -> Exception:
        """Return the error of one of both."""
        error: Exception = self.assertRaises(InstallError, list, work())
        return error

    def test_hardLink(self) -> None:
        """A file with another name is replaced, and not written to."""
        self.path.parent.mkdir(parents=True)
        os.link(self.victim, self.path)
        list(self.files.place())
        self.assertIn("so they say", self.victim.read_text())

    def test_nothingLeft(self) -> None:
        """If a file cannot be written, nothing is left of it."""

        def full(source: str, target: str, **options: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self.patch(os, "rename", full)
        self.assertIn("No space left", str(self.refusedTo(self.files.place)))
        self.assertEqual([], [path for path in self.root.rglob("*") if not path.is_dir()])

    def test_guessed(self) -> None:
        """Even users who know the name of a new file cannot redirect it."""
        self.patch(secrets, "token_hex", lambda count: "known")
        self.path.parent.mkdir(parents=True)
        guess = self.path.with_name(f".{self.path.name}.known")
        guess.symlink_to(self.victim.absolute())
        self.assertIn("File exists", str(self.refusedTo(self.files.place)))
        self.assertIn("so they say", self.victim.read_text())

    def test_exchanged(self) -> None:
        """A link in the place of a folder that was just created is not followed."""
        mkdir = os.mkdir

        def exchange(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            if dir_fd is None:
                mkdir(path, mode)
            else:
                os.symlink(self.outside.absolute(), path, dir_fd=dir_fd)

        self.patch(os, "mkdir", exchange)
        error = self.refusedTo(self.files.place)
        self.assertIn(
            "a symbolic link, or something that is not a folder, is in its way", str(error)
        )
        self.assertEqual([self.victim], [*self.outside.iterdir()])

    def test_madeMeanwhile(self) -> None:
        """A folder that another process creates at the same moment is used."""
        mkdir = os.mkdir

        def mkdirFirst(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            if dir_fd is not None:
                mkdir(path, mode, dir_fd=dir_fd)
            mkdir(path, mode, dir_fd=dir_fd)

        self.patch(os, "mkdir", mkdirFirst)
        list(self.files.place())
        self.assertTrue(self.path.is_file())

    def test_descriptors(self) -> None:
        """No descriptor is left open."""
        before = len(os.listdir("/proc/self/fd"))
        list(self.files.place())
        list(self.files.remove())
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))

    def test_onDisk(self) -> None:
        """A file is on the disk before it takes its place, or a power cut may leave it empty."""
        done: list[str] = []
        rename = os.rename

        def note(*names: str, **options: Any) -> None:
            done.append("rename")
            rename(*names, **options)

        self.patch(os, "fsync", lambda file: done.append("sync" if os.fstat(file).st_size else ""))
        self.patch(os, "rename", note)
        list(self.files.place())
        self.assertEqual(["sync", "rename"] * (len(done) // 2), done)
        self.assertTrue(done)

    def test_umask(self) -> None:
        """With a strict umask, everybody can still enter the folders."""
        self.addCleanup(os.umask, os.umask(0o077))
        list(self.files.place())
        modes = {path.stat().st_mode & 0o777 for path in self.root.rglob("*") if path.is_dir()}
        self.assertEqual({0o755}, modes)
