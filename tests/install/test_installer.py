"""Tests of L{pkdoors.install.installer}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import InstallError
from pkdoors.files.trust import Flaw
from pkdoors.install import sharing
from pkdoors.install.installer import (
    installService,
    runCommand,
    uninstallService,
)
from tests.install.case import CODE, InstallTestCase


class InstallTests(InstallTestCase):
    """
    Tests of L{installService}.
    """

    def test_commands(self) -> None:
        """The user is created first, then its folders; nothing is started."""
        said = self.install()
        self.assertEqual(
            [
                "systemd-sysusers /etc/sysusers.d/pkdoors.conf",
                "systemd-tmpfiles --create /etc/tmpfiles.d/pkdoors.conf",
            ],
            self.ran,
        )
        names = ("pkdoors", "pkdoors-fleet")
        self.assertEqual([f"created    user and group {name}" for name in names], said[-2:])

    def test_withoutSysusers(self) -> None:
        """If systemd does not create users, shadow does."""
        self.programs.remove("systemd-sysusers")
        self.install()
        line = "useradd --system --user-group --home-dir / --no-create-home pkdoors"
        self.assertEqual([line, f"{line}-fleet"], self.ran[:2])

    def test_userIsThere(self) -> None:
        """Existing users are not changed; one that an earlier version did not have is created."""
        self.group = 995
        self.fleetGroup = 996
        self.assertIn("unchanged  user and group pkdoors", self.install())
        self.assertEqual(1, len(self.ran))
        self.fleetGroup = None
        self.assertIn("created    user and group pkdoors-fleet", self.install())
        self.assertEqual("systemd-sysusers /etc/sysusers.d/pkdoors.conf", self.ran[1])

    def test_running(self) -> None:
        """A running systemd reads its units again."""
        (self.root / "running").mkdir()
        self.assertEqual("reloaded   systemd's units", self.install()[-1])
        self.assertEqual("systemctl daemon-reload", self.ran[-1])

    def test_noSystemd(self) -> None:
        """Without systemd, the error says what another service manager needs."""
        self.programs.clear()
        self.assertIn("with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE", self.refused())

    def test_hidden(self) -> None:
        """Code that a service does not see is refused: it would not start."""
        for path in ("/root/pkdoors/bin/pkdoors", "/home/anna/x", "/tmp/x"):
            self.assertEqual(
                f"a service does not see {path}: install pkdoors in another virtual environment, "
                "for instance in /opt/pkdoors",
                self.refused(*CODE, Path(path)),
            )

    def test_hiddenLink(self) -> None:
        """The target of a link counts, too."""
        self.root.chmod(0o755)
        hidden, link = self.root / "hidden", self.root / "link"
        hidden.mkdir()
        (hidden / "code.py").touch()
        link.symlink_to(hidden)
        self.patch(sharing, "HIDDEN", (str(hidden),))
        self.assertIn(f"does not see {hidden}/code.py: install", self.refused(link / "code.py"))

    def test_notThere(self) -> None:
        """Missing programs are refused."""
        path = Path("/usr/bin/pkdoors-nothing")
        self.assertEqual(
            f"{path} does not exist: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there",
            self.refused(path),
        )

    def test_private(self) -> None:
        """Code that others may not read is refused, with a remedy."""
        self.patch(sharing, "HIDDEN", ())
        self.root.chmod(0o755)
        code = self.root / "a b" / "code.py"
        code.parent.mkdir()
        code.touch()
        code.chmod(0o640)
        self.assertEqual(
            f"the service's user cannot read {code}: allow it with `chmod -R go+rX '{code}'`",
            self.refused(code),
        )
        code.chmod(0o644)
        code.parent.chmod(0o750)
        self.assertIn(f"cannot read {code.parent}: allow it with `chmod", self.refused(code))

    def test_othersCode(self) -> None:
        """Code that others can change is refused, with a remedy; nothing is written."""
        self.patch(sharing, "HIDDEN", ())
        self.root.chmod(0o755)
        code = self.root / "bin" / "pkdoors"
        code.parent.mkdir()
        code.touch()
        for part in (code, code.parent, self.root):
            part.chmod(0o777)
            self.assertEqual(
                f"others can change what the service runs, because {part} can be written by "
                f"others: run `chmod go-w {part}`",
                self.refused(code),
            )
            part.chmod(0o755)

    def test_othersEnvironment(self) -> None:
        """The rest of what the service runs counts, too, such as its virtual environment."""
        flaw = Flaw(Path("/opt/x"), "belongs to another user", "chown root /opt/x")
        work = installService(self.files, CODE, self.run_, lambda: flaw)
        error = self.assertRaises(InstallError, list, work)
        self.assertIn("because /opt/x belongs to another user: run `chown", str(error))

    def test_umask(self) -> None:
        """A strict umask takes nothing from the service."""
        os.umask(0o077)
        self.install()
        self.assertEqual(0o755, (self.root / "etc/systemd").stat().st_mode & 0o7777)


class UninstallTests(InstallTestCase):
    """
    Tests of L{uninstallService}.
    """

    def uninstall(self) -> list[str]:
        """Return the first word of each line."""
        return [line.split()[0] for line in uninstallService(self.files, self.run_)]

    def test_running(self) -> None:
        """The service is stopped before its unit is removed."""
        (self.root / "running").mkdir()
        self.install()
        self.ran.clear()
        self.assertEqual(["stopped", *["removed"] * 8, "reloaded"], self.uninstall())
        units = "pkdoors.service pkdoors-metrics.timer pkdoors-fleet.service"
        stop = f"systemctl disable --quiet --now {units}"
        self.assertEqual([stop, "systemctl daemon-reload"], self.ran)

    def test_notInstalled(self) -> None:
        """If nothing is installed, nothing is stopped."""
        (self.root / "running").mkdir()
        self.assertEqual([*["missing"] * 8, "reloaded"], self.uninstall())

    def test_notRunning(self) -> None:
        """If systemd does not run, only the files are removed."""
        list(self.files.place())
        self.assertEqual(["removed"] * 8, self.uninstall())
        self.assertEqual([], self.ran)


class CommandTests(SynchronousTestCase):
    """
    Tests of L{runCommand}.
    """

    def test_good(self) -> None:
        """A command that succeeds prints nothing."""
        runCommand("true")

    def test_bad(self) -> None:
        """A command that fails is an error with its output, or its status."""
        error = self.assertRaises(InstallError, runCommand, "sh", "-c", "echo one >&2; exit 3")
        self.assertEqual("`sh -c 'echo one >&2; exit 3'` failed: one", str(error))
        self.assertIn(
            "failed: status 3",
            str(self.assertRaises(InstallError, runCommand, "sh", "-c", "exit 3")),
        )

    def test_missing(self) -> None:
        """A missing command is an error."""
        error = self.assertRaises(InstallError, runCommand, "pkdoors-nothing")
        self.assertEqual("cannot run `pkdoors-nothing`: No such file or directory", str(error))
