"""Tests of L{pkdoors.files.trust}."""

import os
import struct
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import pkdoors
import twisted.plugins
from pkdoors.files.trust import findFlaw, findFlawBelow
from pkdoors.install import servicecode
from pkdoors.install.servicecode import findCodeFlaw


class TrustTestCase(SynchronousTestCase):
    """
    A test with a file in two folders that only this user can write.
    """

    def setUp(self) -> None:
        """Make the folders, but not in trial's own folder, which others may be able to write."""
        self.top = Path(mkdtemp())
        self.addCleanup(rmtree, self.top)
        self.folder = self.top / "folder"
        self.folder.mkdir(0o755)
        self.path = self.folder / "file"
        self.path.touch(0o644)

    def giveAway(self, path: Path) -> None:
        """Give a path to a user who is neither root nor this one."""
        if os.geteuid():
            raise SkipTest("this test gives files away: run it as root (sudo script/test)")
        os.chown(path, 65_534, -1, follow_symlinks=False)


class FlawOfTests(TrustTestCase):
    """
    Tests of L{findFlaw}.
    """

    def assertFlaw(self, path: Path, remedy: str) -> None:
        """Assert that a path is the flaw, and that running the remedy repairs it."""
        flaw = findFlaw(self.path)
        assert flaw is not None
        found = os.path.join(os.path.realpath(flaw.path.parent), flaw.path.name)
        self.assertEqual(str(path), found)
        if ".." not in flaw.remedy:  # a link's own target is quoted as it is
            self.assertEqual(remedy, flaw.remedy.replace(str(self.top), ""))
        self.assertTrue(str(flaw).endswith(f": run `{flaw.remedy}`"), flaw)

    def test_none(self) -> None:
        """A file that only this user can write is trusted, whoever can read or run it."""
        for mode in (0o400, 0o644, 0o755, 0o4755):
            self.path.chmod(mode)
            self.assertIsNone(findFlaw(self.path))

    def test_everyPart(self) -> None:
        """Nobody else may be able to write the file, or any folder above it."""
        for part in (self.path, self.folder, self.top):
            before = part.stat().st_mode
            for more in (0o020, 0o002, 0o022):
                part.chmod(before & 0o7777 | more)
                self.assertFlaw(part, f"chmod go-w {part}".replace(str(self.top), ""))
            part.chmod(before & 0o7777)
            self.assertIsNone(findFlaw(self.path))

    def test_sticky(self) -> None:
        """In a folder like /tmp nobody can replace a file of ours."""
        self.folder.chmod(0o1777)
        self.assertIsNone(findFlaw(self.path))

    def test_owner(self) -> None:
        """The owner of any part can change it, whatever the mode."""
        for part in (self.path, self.folder, self.top):
            self.giveAway(part)
            part.chmod(0o700)
            self.assertFlaw(part, f"chown root {part}".replace(str(self.top), ""))
            os.chown(part, 0, -1)

    def test_accessList(self) -> None:
        """Write access by a POSIX access list counts, too."""
        # ACL_USER_OBJ rw, ACL_USER 65534 rw, ACL_GROUP_OBJ r, ACL_MASK rw, ACL_OTHER r
        entries = ((1, 6, -1), (2, 6, 65_534), (4, 4, -1), (16, 6, -1), (32, 4, -1))
        packed = b"".join(struct.pack("<HHi", *each) for each in entries)
        try:
            os.setxattr(self.path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
        except OSError as error:
            raise SkipTest(f"this file system has no access lists: {error.strerror}") from error
        self.assertFlaw(self.path, "chmod go-w /folder/file")
        self.path.chmod(0o644)  # the remedy removes what the list grants
        self.assertIsNone(findFlaw(self.path))

    def test_links(self) -> None:
        """Each link in the path counts, with its folders and its target."""
        middle = self.top / "middle"
        middle.mkdir(0o755)
        (middle / "link").symlink_to("../folder/file")
        self.path, real = self.top / "start", self.path
        self.path.symlink_to(middle / "link")
        self.assertIsNone(findFlaw(self.path))
        for part in (middle, real, self.folder):
            before = part.stat().st_mode & 0o7777
            part.chmod(0o777)
            self.assertFlaw(part, f"chmod go-w {part}".replace(str(self.top), ""))
            part.chmod(before)
        self.giveAway(middle / "link")
        self.assertFlaw(middle / "link", "chown -h root /middle/link")

    def test_linkedFolder(self) -> None:
        """The same holds for a folder that is a link."""
        (self.top / "away").symlink_to(self.folder)
        self.path = self.top / "away" / "file"
        self.assertIsNone(findFlaw(self.path))
        self.folder.chmod(0o777)
        self.assertFlaw(self.folder, "chmod go-w /folder")

    def test_quoted(self) -> None:
        """The remedy can be pasted into a shell, whatever the name."""
        self.path = self.folder / "a b; rm"
        self.path.touch()
        self.path.chmod(0o666)
        self.assertFlaw(self.path, f"chmod go-w '{self.path}'".replace(str(self.top), ""))

    def test_notThere(self) -> None:
        """A missing file, or a circle of links, is an error."""
        self.path.unlink()
        self.assertRaises(FileNotFoundError, findFlaw, self.path)
        for target in ("file", "nothing"):
            self.path.symlink_to(target)
            self.assertRaises(OSError, findFlaw, self.path)
            self.path.unlink()

    def test_manyLinks(self) -> None:
        """Links through links take no more time than they have parts."""
        at = self.folder
        for number in range(4):  # the kernel follows 40 in one path
            link = self.top / f"l{number}"
            link.symlink_to(f"{at.name}/../{at.name}")
            at = link
        self.path = at / "file"
        self.assertIsNone(findFlaw(self.path))


class FlawBelowTests(TrustTestCase):
    """
    Tests of L{findFlawBelow}.
    """

    def test_everyFile(self) -> None:
        """Everything in the folder is checked, however deep."""
        self.assertIsNone(findFlawBelow(self.top))
        deep = self.folder / "a" / "b"
        deep.mkdir(parents=True)
        for name in ("module.py", "module.pyc"):
            path = deep / name
            path.touch()
            path.chmod(0o666)
            flaw = findFlawBelow(self.top)
            self.assertEqual(path, flaw and flaw.path)
            path.chmod(0o644)
        deep.chmod(0o777)
        flaw = findFlawBelow(self.top)
        self.assertEqual(deep, flaw and flaw.path)

    def test_remedy(self) -> None:
        """One command repairs the whole folder; a flaw elsewhere has its own remedy."""
        self.path.chmod(0o666)
        for mode in (0o755, 0o775):
            self.folder.chmod(mode)
            flaw = findFlawBelow(self.folder)
            self.assertEqual(f"chmod -R go-w {self.folder}", flaw and flaw.remedy)
        self.path.chmod(0o644)
        self.folder.chmod(0o755)
        self.giveAway(self.path)
        flaw = findFlawBelow(self.folder)
        self.assertEqual(f"chown -hR root {self.folder}", flaw and flaw.remedy)

    def test_above(self) -> None:
        """The folders above are checked."""
        self.top.chmod(0o777)
        flaw = findFlawBelow(self.folder)
        self.assertEqual(self.top, flaw and flaw.path)

    def test_linkOut(self) -> None:
        """
        The targets of links in the folder are checked, such as an interpreter; dead links are not.
        """
        inside = self.top / "inside"
        inside.mkdir()
        (inside / "python3").symlink_to(self.path)
        (inside / "broken").symlink_to("nowhere")
        self.assertIsNone(findFlawBelow(inside))
        self.folder.chmod(0o777)
        flaw = findFlawBelow(inside)
        self.assertEqual(self.folder, flaw and flaw.path)


class CodeFlawTests(TrustTestCase):
    """
    Tests of L{findCodeFlaw}.
    """

    def setUp(self) -> None:
        """Make everything that a service runs, in folders of its own."""
        super().setUp()
        self.patch(servicecode, "get_path", lambda name: str(self.top / name))
        self.patch(pkdoors, "__path__", [str(self.top / "package")])
        self.patch(twisted.plugins, "__path__", [str(self.top / at) for at in ("plugins", "gone")])
        for place in (
            "scripts/pkdoors",
            "scripts/python3",
            "stdlib/os.py",
            "platstdlib/x.so",
            "purelib/a.py",
            "platlib/b.so",
            "data/pyvenv.cfg",
            "data/lib/c.py",
            "package/d/e.py",
            "plugins/f.py",
        ):
            path = self.top / place
            path.parent.mkdir(0o755, parents=True, exist_ok=True)
            path.touch(0o644)

    def assertFlaw(self, *places: str) -> None:
        """Assert that a change to any of these places is a flaw."""
        for place in places:
            path = self.top / place
            mode = path.stat().st_mode & 0o7777
            path.chmod(0o777)
            flaw = findCodeFlaw()
            self.assertEqual(path, flaw and flaw.path)
            path.chmod(mode)
            self.assertIsNone(findCodeFlaw())

    def test_programs(self) -> None:
        """
        The programs are checked, with their folders; a distribution has some of them elsewhere.
        """
        self.assertFlaw("scripts", "scripts/pkdoors", "scripts/python3")
        (self.top / "scripts/python3").unlink()
        self.assertIsNone(findCodeFlaw())

    def test_libraries(self) -> None:
        """The library folders are checked; their contents belong to the package manager."""
        self.assertFlaw("stdlib", "platstdlib", "purelib", "platlib")
        (self.top / "stdlib/os.py").chmod(0o666)
        self.assertIsNone(findCodeFlaw())

    def test_own(self) -> None:
        """
        Everything in our own packages is checked, and so are the folders of Twisted's plugins.
        """
        self.assertFlaw("package", "package/d/e.py", "plugins", "plugins/f.py")

    def test_environment(self) -> None:
        """All of a virtual environment is checked; any other prefix belongs to the distribution."""
        self.assertFlaw("data", "data/lib/c.py")
        (self.top / "data/pyvenv.cfg").unlink()
        (self.top / "data/lib/c.py").chmod(0o666)
        self.assertIsNone(findCodeFlaw())
