"""Tests of L{pkdoors.host.logins.users}."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import PkdoorsError
from pkdoors.host.logins import users
from pkdoors.host.logins.users import User, findUser, readAs

NOBODY = "nobody"


class FindTests(SynchronousTestCase):
    """Who runs a command."""

    def setUp(self) -> None:
        """Find a user who is not root."""
        self.nobody = pwd.getpwnam(NOBODY)

    def test_root(self) -> None:
        """Root may have been somebody else, as sudo, doas and pkexec report."""
        self.patch(os, "geteuid", lambda: 0)
        self.assertEqual(0, findUser({}).uid)
        number = str(self.nobody.pw_uid)
        for environment in ({"SUDO_UID": number}, {"PKEXEC_UID": number}, {"DOAS_USER": NOBODY}):
            self.assertEqual(NOBODY, findUser(environment).name)
        for odd in ("", "x", "-1", "\u0661"):
            self.assertEqual(0, findUser({"SUDO_UID": odd}).uid)

    def test_other(self) -> None:
        """The variables of another user do not count; a given name does."""
        self.patch(os, "geteuid", lambda: self.nobody.pw_uid)
        self.assertEqual(NOBODY, findUser({"SUDO_UID": "0", "DOAS_USER": "root"}).name)
        self.assertEqual("root", findUser({}, "root").name)

    def test_unknown(self) -> None:
        """A user that does not exist is a sentence."""
        self.patch(os, "geteuid", lambda: 0)
        for number in ("4000000001", str(2**70)):
            line = str(self.assertRaises(PkdoorsError, findUser, {"SUDO_UID": number}))
            self.assertIn(f"no user {number}: use --user NAME", line)
        self.assertRaises(PkdoorsError, findUser, {}, "nobody-at-all")


class ReadTests(SynchronousTestCase):
    """Reading a user's own files."""

    def setUp(self) -> None:
        """Make a home."""
        self.home = Path(tempfile.mkdtemp(prefix="pkdoors-home-")).resolve()
        self.addCleanup(shutil.rmtree, self.home)
        self.file = self.home / "keys"
        self.file.write_text("a key\n")
        found = pwd.getpwuid(os.geteuid())
        self.user = User(found.pw_name, found.pw_uid, found.pw_gid, str(self.home))

    def trouble(self, path: Path) -> str:
        """Return why a file is not read."""
        (found,) = readAs(self.user, [str(path)])
        self.assertEqual("", found.text)
        return found.trouble

    def test_read(self) -> None:
        """What exists is read."""
        (found,) = readAs(self.user, [str(self.home / "missing"), str(self.file)])
        self.assertEqual((str(self.file), "a key\n", ""), tuple(found))

    def test_odd(self) -> None:
        """What is no file, too large, or open to others is not read, and nothing waits."""
        os.mkfifo(self.home / "pipe", 0o600)
        self.assertIn("a pipe, not a file", self.trouble(self.home / "pipe"))
        with open(self.home / "huge", "wb") as huge:
            huge.truncate(3 << 30)
        self.assertIn("more than the 1048576 bytes", self.trouble(self.home / "huge"))
        self.assertIn("a directory", self.trouble(self.home).lower())
        self.file.chmod(0o666)
        self.assertIn("can be written by others", self.trouble(self.file))


class OtherUserTests(ReadTests):
    """The same by root, for another user."""

    if os.geteuid() != 0:
        skip = "only root can act for other users"

    def setUp(self) -> None:
        """Give the home to another user."""
        super().setUp()
        self.patch(users, "TIMEOUT", 300.0)  # the machine may be very busy
        found = pwd.getpwnam(NOBODY)
        self.user = User(NOBODY, found.pw_uid, found.pw_gid, str(self.home))
        self.own()

    def own(self) -> None:
        """Give everything there to that user."""
        for path in (self.home, *self.home.iterdir()):
            os.lchown(path, self.user.uid, self.user.gid)

    def trouble(self, path: Path) -> str:
        """Return why a file of that user's is not read."""
        self.own()
        return super().trouble(path)

    def test_secrets(self) -> None:
        """Links lead to nothing that the user may not read; nor does a group that root has."""
        secret = self.home.parent / f"{self.home.name}-secret"
        secret.write_text("secret\n")
        self.addCleanup(secret.unlink)
        os.symlink(secret, self.home / "link")
        for mode in (0o600, 0o640):
            secret.chmod(mode)
            self.assertEqual("Permission denied", self.trouble(self.home / "link"))
        secret.chmod(0o644)  # what everybody may read is no secret
        self.assertEqual("secret\n", readAs(self.user, [str(self.home / "link")])[0].text)

    def test_foreign(self) -> None:
        """A file that belongs to a third user is not read."""
        os.chown(self.file, 12345, 12345)
        (found,) = readAs(self.user, [str(self.file)])
        self.assertIn("belongs to another user", found.trouble)

    def test_slow(self) -> None:
        """A disk that does not answer is given up."""
        self.patch(users, "TIMEOUT", 0.2)
        self.patch(users, "_readAll", lambda paths: os.read(os.pipe()[0], 1))
        line = str(self.assertRaises(PkdoorsError, readAs, self.user, ["/x"]))
        self.assertEqual(
            f"cannot read /x with the rights of {NOBODY} (that took more than 200ms): run this as "
            "that user",
            line,
        )

    def test_rights(self) -> None:
        """The reader has the user's rights only, and cannot get root's back."""

        def tell(paths: object) -> list[users.UserFile]:
            text = Path("/proc/self/status").read_text()
            return [users.UserFile("status", text)]

        self.patch(users, "_readAll", tell)
        (found,) = readAs(self.user, [])
        lines = dict(line.split(":\t", 1) for line in found.text.splitlines() if ":\t" in line)
        self.assertEqual([str(self.user.uid)] * 4, lines["Uid"].split())
        self.assertEqual([str(self.user.gid)] * 4, lines["Gid"].split())
        self.assertNotIn("0", lines["Groups"].split())
        self.assertEqual(0, int(lines["CapEff"], 16) | int(lines["CapPrm"], 16))
