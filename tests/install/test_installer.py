"""Tests of L{pkdoors.install.installer} and L{pkdoors.commands.install}."""

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

import twisted.plugins
from pkdoors.cli import main
from pkdoors.config.template import renderConf
from pkdoors.errors import InstallError
from pkdoors.files.trust import Flaw
from pkdoors.host import systemd
from pkdoors.install import installer
from pkdoors.install.installer import (
    fillPluginCache,
    installService,
    runCommand,
    uninstallService,
)
from pkdoors.install.unitfiles import ServiceFiles
from tests.fakes.doors import makeDoor
from twisted.plugins import pkdoors_plugin

CODE = (Path("/bin/sh"), Path("/etc/passwd"))
"""What any service can read."""


class InstallTestCase(SynchronousTestCase):
    """
    With a root folder of its own, and commands that are only noted.
    """

    def setUp(self) -> None:
        """Make a root with systemd, not started, and without a configuration."""
        self.root = Path(mkdtemp())
        self.addCleanup(rmtree, self.root)
        self.files = ServiceFiles(self.root, Path("/opt/pkdoors/bin"))
        self.addCleanup(os.umask, os.umask(0o022))
        self.conf = self.root / "pkdoors.toml"
        self.seed = self.root / "port_knocker.toml"
        self.patch(installer, "CONFS", (str(self.conf), str(self.seed)))
        self.programs = {"systemctl", "systemd-sysusers"}
        self.patch(installer, "which", lambda name: name if name in self.programs else None)
        self.patch(systemd, "RUNNING", str(self.root / "running"))
        self.group: int | None = None
        self.patch(installer, "findServiceGroup", lambda: self.group)
        self.patch(installer, "letRead", self.letRead)
        self.readable: list[str] = []
        self.ran: list[str] = []

    def letRead(self, descriptor: int) -> bool:
        """Note which file the service may read now."""
        self.readable.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        os.fchmod(descriptor, 0o640)
        return True

    def run_(self, *argv: str) -> None:
        """Note a command."""
        self.ran.append(" ".join(argv).replace(str(self.root), ""))

    def install(self, *code: Path) -> list[str]:
        """Return the lines that the installation prints."""
        return [
            line.replace(str(self.root), "")
            for line in installService(self.files, code or CODE, self.run_)
        ]

    def refused(self, *code: Path) -> str:
        """Return the one line of the error; nothing is written."""
        line = str(self.assertRaises(InstallError, self.install, *code))
        self.assertNotIn("\n", line)
        self.assertFalse((self.root / "etc").exists())
        return line


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
        self.assertEqual("created    user and group pkdoors", said[-1])

    def test_withoutSysusers(self) -> None:
        """If systemd does not create users, shadow does."""
        self.programs.remove("systemd-sysusers")
        self.install()
        line = "useradd --system --user-group --home-dir / --no-create-home pkdoors"
        self.assertEqual(line, self.ran[0])

    def test_userIsThere(self) -> None:
        """An existing user is not changed."""
        self.group = 995
        self.assertIn("unchanged  user and group pkdoors", self.install())
        self.assertEqual(1, len(self.ran))

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
        for path in ("/root/pkdoors/bin/twistd", "/home/anna/x", "/tmp/x"):
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
        self.patch(installer, "HIDDEN", (str(hidden),))
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
        self.patch(installer, "HIDDEN", ())
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
        self.patch(installer, "HIDDEN", ())
        self.root.chmod(0o755)
        code = self.root / "bin" / "twistd"
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


class ShareTests(InstallTestCase):
    """
    Tests of which files of the configuration the service may read.
    """

    def setUp(self) -> None:
        """Put all files where the service can reach them."""
        super().setUp()
        self.patch(installer, "HIDDEN", ())
        self.root.chmod(0o755)

    def assertTrouble(self, expected: str, keys: str = "keys") -> None:
        """Assert that a trouble with keys is reported, and nothing is done to them."""
        self.assertEqual(f"trouble    {expected}", self.share(keys)[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def share(self, keys: str = "", extra: str = "") -> list[str]:
        """Return the lines about a configuration."""
        path = str(self.root / keys) if keys else ""
        self.conf.touch(0o600)
        self.conf.write_text(renderConf(makeDoor(authorizedKeys=path)) + extra)
        self.group = os.getgid()
        self.patch(installer, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        return said[said.index("unchanged  user and group pkdoors") + 1 :]

    def test_conf(self) -> None:
        """The service may read its configuration; the second time nothing changes."""
        line = "/pkdoors.toml, which the service may read"
        self.assertEqual([f"changed    {line}"], self.share())
        self.assertEqual([f"unchanged  {line}"], self.share())
        self.assertEqual(["pkdoors.toml"] * 2, self.readable)

    def test_seed(self) -> None:
        """If only the file of port-knocking-doors exists, the service may read that."""
        self.seed.touch(0o600)
        self.seed.write_text(renderConf(makeDoor()))
        self.patch(installer, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        self.assertEqual("changed    /port_knocker.toml, which the service may read", said[-1])
        self.share()
        self.assertEqual(["port_knocker.toml", "pkdoors.toml"], self.readable)

    def test_keys(self) -> None:
        """The service may read the keys that the configuration names."""
        (self.root / "keys").touch(0o600)
        said = self.share("keys")
        self.assertEqual("changed    /keys, which the service may read", said[-1])
        self.assertEqual(["pkdoors.toml", "keys"], self.readable)

    def test_keysForAll(self) -> None:
        """Keys that everybody may read do not change."""
        (self.root / "keys").touch()
        self.assertEqual("unchanged  /keys, which everybody may read", self.share("keys")[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def test_noKeys(self) -> None:
        """Missing keys are reported."""
        line = "missing    /keys, which lists the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def test_hidden(self) -> None:
        """Keys that a service does not see are a trouble, whether they exist or not."""
        self.patch(installer, "HIDDEN", (str(self.root / "home"),))
        sentence = "a service does not see /home/keys: move the file, for instance to /etc/pkdoors"
        self.assertTrouble(sentence, "home/keys")
        (self.root / "home").mkdir()
        (self.root / "home" / "keys").touch(0o644)
        (self.root / "link").symlink_to("home/keys")
        self.readable.clear()
        self.assertTrouble(sentence, "link")

    def test_closedFolder(self) -> None:
        """Keys in a folder that the service cannot enter are a trouble, with any mode."""
        (self.root / "keys").mkdir()
        for mode in (0o600, 0o644):
            (self.root / "keys" / "anna").touch()
            (self.root / "keys" / "anna").chmod(mode)
            (self.root / "keys").chmod(0o700)
            self.readable.clear()
            self.assertTrouble(
                "the service's user cannot enter /keys, on the way to /keys/anna: allow it with "
                "`chmod go+x /keys`, or move the file, for instance to /etc/pkdoors",
                "keys/anna",
            )

    def test_groupsFolder(self) -> None:
        """The service can enter a folder that only its group may enter."""
        (self.root / "folder").mkdir()
        (self.root / "folder").chmod(0o750)
        (self.root / "folder" / "keys").touch(0o600)
        said = self.share("folder/keys")
        self.assertEqual("changed    /folder/keys, which the service may read", said[-1])

    def test_othersChoose(self) -> None:
        """
        If others could replace the keys, root lets nobody read them: they could be any file.
        """
        (self.root / "shadow").touch(0o600)
        folder = self.root / "folder"
        folder.mkdir()
        (folder / "keys").symlink_to("../shadow")
        folder.chmod(0o777)
        line = "/folder can be written by others: run `chmod go-w /folder`"
        for keys in ("folder/keys", "folder/other"):
            (folder / "other").touch(0o600)
            self.readable.clear()
            self.assertTrouble(line, keys)

    def test_hardLink(self) -> None:
        """
        Keys with another name are a trouble, since others may have given them one of the names.
        """
        (self.root / "shadow").touch(0o600)
        os.link(self.root / "shadow", self.root / "keys")
        self.assertTrouble(
            "cannot let the service read /keys: it has other names, too: it is a hard link"
        )

    def test_fifo(self) -> None:
        """Anything but a file is reported, without waiting for a writer."""
        os.mkfifo(self.root / "keys", 0o600)
        self.assertTrouble("cannot let the service read /keys: it is not a regular file")

    def test_loop(self) -> None:
        """Links that lead nowhere count as missing."""
        (self.root / "keys").symlink_to("keys")
        line = "missing    /keys, which lists the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def test_badConf(self) -> None:
        """A configuration that others could change does not change, either."""
        self.root.chmod(0o777)
        said = self.share()
        self.assertIn("trouble    ", said[-1])
        self.assertIn(" can be written by others: ", said[-1])
        self.assertEqual([], self.readable)

    def test_bad(self) -> None:
        """A bad configuration is reported, and does not stop the installation."""
        said = self.share(extra="colour = 1\n")
        self.assertIn("trouble    /pkdoors.toml: ", said[-1])
        self.assertIn("unknown key 'colour'", said[-1])


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
        self.assertEqual(["stopped", *["removed"] * 5, "reloaded"], self.uninstall())
        stop = "systemctl disable --quiet --now pkdoors.service"
        self.assertEqual([stop, "systemctl daemon-reload"], self.ran)

    def test_notInstalled(self) -> None:
        """If nothing is installed, nothing is stopped."""
        (self.root / "running").mkdir()
        self.assertEqual([*["missing"] * 5, "reloaded"], self.uninstall())

    def test_notRunning(self) -> None:
        """If systemd does not run, only the files are removed."""
        list(self.files.place())
        self.assertEqual(["removed"] * 5, self.uninstall())
        self.assertEqual([], self.ran)


class CommandTests(SynchronousTestCase):
    """
    Tests of L{runCommand} and L{fillPluginCache}.
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

    def test_cache(self) -> None:
        """Afterwards the cache of Twisted's plugins exists, and everybody may read it."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "dropin.cache").touch(0o600)
        self.patch(twisted.plugins, "__path__", [*twisted.plugins.__path__, str(folder)])
        fillPluginCache()
        self.assertEqual(0o644, (folder / "dropin.cache").stat().st_mode & 0o7777)
        own = Path(str(pkdoors_plugin.__file__)).with_name("dropin.cache")
        self.assertIn(b"pkdoors_plugin", own.read_bytes())


class OptionsTests(SynchronousTestCase):
    """
    Tests of C{pkdoors install-service} on the command line.
    """

    def run_(self, *arguments: str) -> tuple[object, str, str]:
        """Return the status, and both outputs."""
        status: object = 0
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            try:
                main(["install-service", *arguments], {})
            except SystemExit as end:
                status = end.code
        return status, stdout.getvalue(), stderr.getvalue()

    def test_root(self) -> None:
        """C{--root} needs no privilege, and prints only what it did."""
        self.patch(os, "geteuid", lambda: 1000)
        folder = self.mktemp()
        status, stdout, stderr = self.run_("--root", folder)
        self.assertEqual((0, 5, ""), (status, stdout.count(f"wrote      {folder}/etc/"), stderr))
        self.assertEqual(5, stdout.count("\n"))
        status, stdout, _ = self.run_("--root", folder, "--uninstall")
        self.assertEqual((0, 5), (status, stdout.count(f"removed    {folder}/etc/")))

    def test_notRoot(self) -> None:
        """Without C{--root}, the command needs root."""
        self.patch(os, "geteuid", lambda: 1000)
        for options in ((), ("--uninstall",)):
            expected = (
                "pkdoors install-service: only root can install or uninstall a service: run it as "
                "root\n"
            )
            self.assertEqual((1, "", expected), self.run_(*options))

    def test_cannot(self) -> None:
        """An error is one line, and status 1."""
        folder = Path(self.mktemp())
        folder.write_text("in the way")
        status, stdout, stderr = self.run_("--root", str(folder))
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")))
        self.assertTrue(stderr.startswith(f"pkdoors install-service: cannot write {folder}/etc"))
