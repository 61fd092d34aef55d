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
from pkdoors.install.installer import command, fillPluginCache, install, uninstall
from pkdoors.install.unitfiles import ServiceFiles
from tests.fakes.doors import makeDoor
from twisted.plugins import pkdoors_plugin

CODE = (Path("/bin/sh"), Path("/etc/passwd"))
"""What any service can read."""


class InstallTestCase(SynchronousTestCase):
    """
    With a root of its own, and commands that are only noted.
    """

    def setUp(self) -> None:
        """Have systemd, not started, and no configuration."""
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
        """What it says."""
        return [
            line.replace(str(self.root), "")
            for line in install(self.files, code or CODE, self.run_)
        ]

    def refused(self, *code: Path) -> str:
        """The one line with which it ends; nothing is placed."""
        line = str(self.assertRaises(InstallError, self.install, *code))
        self.assertNotIn("\n", line)
        self.assertFalse((self.root / "etc").exists())
        return line


class InstallTests(InstallTestCase):
    """
    Tests of L{install}.
    """

    def test_commands(self) -> None:
        """The user is made first, then its folders; nothing is started."""
        said = self.install()
        self.assertEqual(
            [
                "systemd-sysusers /etc/sysusers.d/pkdoors.conf",
                "systemd-tmpfiles --create /etc/tmpfiles.d/pkdoors.conf",
            ],
            self.ran,
        )
        self.assertEqual("made       user and group pkdoors", said[-1])

    def test_withoutSysusers(self) -> None:
        """Where systemd does not make users, shadow does."""
        self.programs.remove("systemd-sysusers")
        self.install()
        line = "useradd --system --user-group --home-dir / --no-create-home pkdoors"
        self.assertEqual(line, self.ran[0])

    def test_userIsThere(self) -> None:
        """A user that is there stays as it is."""
        self.group = 995
        self.assertIn("unchanged  user and group pkdoors", self.install())
        self.assertEqual(1, len(self.ran))

    def test_running(self) -> None:
        """A systemd that runs reads its units again."""
        (self.root / "running").mkdir()
        self.assertEqual("reloaded   systemd's units", self.install()[-1])
        self.assertEqual("systemctl daemon-reload", self.ran[-1])

    def test_noSystemd(self) -> None:
        """Without systemd it says what another service manager needs."""
        self.programs.clear()
        self.assertIn("with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE", self.refused())

    def test_hidden(self) -> None:
        """Code that a service does not see is refused: it would not start."""
        for path in ("/root/pkdoors/bin/twistd", "/home/anna/x", "/tmp/x"):
            self.assertEqual(
                f"a service does not see {path}: have pkdoors, with its virtual environment, "
                "elsewhere, say in /opt/pkdoors",
                self.refused(*CODE, Path(path)),
            )

    def test_hiddenLink(self) -> None:
        """What counts is also where a link leads."""
        self.root.chmod(0o755)
        hidden, link = self.root / "hidden", self.root / "link"
        hidden.mkdir()
        (hidden / "code.py").touch()
        link.symlink_to(hidden)
        self.patch(installer, "HIDDEN", (str(hidden),))
        self.assertIn(f"does not see {hidden}/code.py: have", self.refused(link / "code.py"))

    def test_notThere(self) -> None:
        """Programs that are not where they ought to be are refused."""
        path = Path("/usr/bin/pkdoors-nothing")
        self.assertEqual(
            f"{path} is not there: install pkdoors with pip, in a virtual environment "
            "that root made, and run it from there",
            self.refused(path),
        )

    def test_private(self) -> None:
        """Code that others may not read is refused, with what to do about it."""
        self.patch(installer, "HIDDEN", ())
        self.root.chmod(0o755)
        code = self.root / "a b" / "code.py"
        code.parent.mkdir()
        code.touch()
        code.chmod(0o640)
        self.assertEqual(
            f"the service's user could not read {code}: `chmod -R go+rX '{code}'` lets it",
            self.refused(code),
        )
        code.chmod(0o644)
        code.parent.chmod(0o750)
        self.assertIn(f"could not read {code.parent}: `chmod", self.refused(code))

    def test_othersCode(self) -> None:
        """Code that others can change is refused, with what to do about it; nothing is placed."""
        self.patch(installer, "HIDDEN", ())
        self.root.chmod(0o755)
        code = self.root / "bin" / "twistd"
        code.parent.mkdir()
        code.touch()
        for part in (code, code.parent, self.root):
            part.chmod(0o777)
            self.assertEqual(
                f"others could change what the service runs, because {part} can be written by "
                f"others: `chmod go-w {part}` mends it",
                self.refused(code),
            )
            part.chmod(0o755)

    def test_othersEnvironment(self) -> None:
        """So is the rest of what it runs, as its virtual environment."""
        flaw = Flaw(Path("/opt/x"), "belongs to another user", "chown root /opt/x")
        work = install(self.files, CODE, self.run_, lambda: flaw)
        error = self.assertRaises(InstallError, list, work)
        self.assertIn("because /opt/x belongs to another user: `chown", str(error))

    def test_umask(self) -> None:
        """A umask that is strict keeps nothing from the service."""
        os.umask(0o077)
        self.install()
        self.assertEqual(0o755, (self.root / "etc/systemd").stat().st_mode & 0o7777)


class ShareTests(InstallTestCase):
    """
    What of the configuration the service may read.
    """

    def setUp(self) -> None:
        """Have it all where the service can come to."""
        super().setUp()
        self.patch(installer, "HIDDEN", ())
        self.root.chmod(0o755)

    def assertTrouble(self, expected: str, keys: str = "keys") -> None:
        """That is told of keys, and nothing is done to them."""
        self.assertEqual(f"trouble    {expected}", self.share(keys)[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def share(self, keys: str = "", more: str = "") -> list[str]:
        """What is said of a configuration."""
        path = str(self.root / keys) if keys else ""
        self.conf.touch(0o600)
        self.conf.write_text(renderConf(makeDoor(authorizedKeys=path)) + more)
        self.group = os.getgid()
        self.patch(installer, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        return said[said.index("unchanged  user and group pkdoors") + 1 :]

    def test_conf(self) -> None:
        """The service may read its configuration; the second time nothing is changed."""
        line = "/pkdoors.toml, which the service may read"
        self.assertEqual([f"changed    {line}"], self.share())
        self.assertEqual([f"unchanged  {line}"], self.share())
        self.assertEqual(["pkdoors.toml"] * 2, self.readable)

    def test_seed(self) -> None:
        """Where there is only the file of port-knocking-doors, it is that."""
        self.seed.touch(0o600)
        self.seed.write_text(renderConf(makeDoor()))
        self.patch(installer, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        self.assertEqual("changed    /port_knocker.toml, which the service may read", said[-1])
        self.share()
        self.assertEqual(["port_knocker.toml", "pkdoors.toml"], self.readable)

    def test_keys(self) -> None:
        """So it may the keys that this names."""
        (self.root / "keys").touch(0o600)
        said = self.share("keys")
        self.assertEqual("changed    /keys, which the service may read", said[-1])
        self.assertEqual(["pkdoors.toml", "keys"], self.readable)

    def test_keysForAll(self) -> None:
        """Keys that all may read stay as they are."""
        (self.root / "keys").touch()
        self.assertEqual("unchanged  /keys, which all may read", self.share("keys")[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def test_noKeys(self) -> None:
        """Keys that are not there yet are told."""
        line = "not there  /keys, which is to have the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def test_hidden(self) -> None:
        """Of keys that a service does not see, be they there or not, it is not said that it may."""
        self.patch(installer, "HIDDEN", (str(self.root / "home"),))
        sentence = "a service does not see /home/keys: have the file elsewhere, say in /etc/pkdoors"
        self.assertTrouble(sentence, "home/keys")
        (self.root / "home").mkdir()
        (self.root / "home" / "keys").touch(0o644)
        (self.root / "link").symlink_to("home/keys")
        self.readable.clear()
        self.assertTrouble(sentence, "link")

    def test_closedFolder(self) -> None:
        """So it is with keys in a folder that the service cannot enter, whoever may read them."""
        (self.root / "keys").mkdir()
        for mode in (0o600, 0o644):
            (self.root / "keys" / "anna").touch()
            (self.root / "keys" / "anna").chmod(mode)
            (self.root / "keys").chmod(0o700)
            self.readable.clear()
            self.assertTrouble(
                "the service's user could not enter /keys, on the way to /keys/anna: "
                "`chmod go+x /keys` lets it, or have the file elsewhere, say in /etc/pkdoors",
                "keys/anna",
            )

    def test_groupsFolder(self) -> None:
        """A folder that only its group may enter is open to the service."""
        (self.root / "folder").mkdir()
        (self.root / "folder").chmod(0o750)
        (self.root / "folder" / "keys").touch(0o600)
        said = self.share("folder/keys")
        self.assertEqual("changed    /folder/keys, which the service may read", said[-1])

    def test_othersChoose(self) -> None:
        """
        Keys that others could put something else in the place of, root lets nobody read: that may
        be any file.
        """
        (self.root / "shadow").touch(0o600)
        folder = self.root / "folder"
        folder.mkdir()
        (folder / "keys").symlink_to("../shadow")
        folder.chmod(0o777)
        line = "/folder can be written by others: `chmod go-w /folder` mends it"
        for keys in ("folder/keys", "folder/other"):
            (folder / "other").touch(0o600)
            self.readable.clear()
            self.assertTrouble(line, keys)

    def test_hardLink(self) -> None:
        """Nor keys that have another name, too, where others may have given them one of the two."""
        (self.root / "shadow").touch(0o600)
        os.link(self.root / "shadow", self.root / "keys")
        self.assertTrouble(
            "cannot let the service read /keys: it has other names, too: it is a hard link"
        )

    def test_fifo(self) -> None:
        """What is no file is told, without waiting for somebody to write."""
        os.mkfifo(self.root / "keys", 0o600)
        self.assertTrouble("cannot let the service read /keys: it is not a regular file")

    def test_loop(self) -> None:
        """Links that lead nowhere are as good as none."""
        (self.root / "keys").symlink_to("keys")
        line = "not there  /keys, which is to have the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def test_badConf(self) -> None:
        """A configuration that others could change is left as it is, too."""
        self.root.chmod(0o777)
        said = self.share()
        self.assertIn("trouble    ", said[-1])
        self.assertIn(" can be written by others: ", said[-1])
        self.assertEqual([], self.readable)

    def test_bad(self) -> None:
        """What is wrong with a configuration is told, and hinders nothing."""
        said = self.share(more="colour = 1\n")
        self.assertIn("trouble    /pkdoors.toml: ", said[-1])
        self.assertIn("unknown key 'colour'", said[-1])


class UninstallTests(InstallTestCase):
    """
    Tests of L{uninstall}.
    """

    def uninstall(self) -> list[str]:
        """The first words of what it says."""
        return [line.split()[0] for line in uninstall(self.files, self.run_)]

    def test_running(self) -> None:
        """The service is ended before its unit is gone."""
        (self.root / "running").mkdir()
        self.install()
        self.ran.clear()
        self.assertEqual(["ended", *["removed"] * 5, "reloaded"], self.uninstall())
        ended = "systemctl disable --quiet --now pkdoors.service"
        self.assertEqual([ended, "systemctl daemon-reload"], self.ran)

    def test_notInstalled(self) -> None:
        """Where nothing is, nothing is ended."""
        (self.root / "running").mkdir()
        self.assertEqual([*["not"] * 5, "reloaded"], self.uninstall())

    def test_notRunning(self) -> None:
        """Where systemd does not run only the files are removed."""
        list(self.files.place())
        self.assertEqual(["removed"] * 5, self.uninstall())
        self.assertEqual([], self.ran)


class CommandTests(SynchronousTestCase):
    """
    Tests of L{command} and L{fillPluginCache}.
    """

    def test_good(self) -> None:
        """A command that succeeds is silent."""
        command("true")

    def test_bad(self) -> None:
        """One that fails is a sentence with what it said, or its status."""
        error = self.assertRaises(InstallError, command, "sh", "-c", "echo one >&2; exit 3")
        self.assertEqual("`sh -c 'echo one >&2; exit 3'` failed: one", str(error))
        self.assertIn(
            "failed: status 3", str(self.assertRaises(InstallError, command, "sh", "-c", "exit 3"))
        )

    def test_missing(self) -> None:
        """One that is not there is a sentence."""
        error = self.assertRaises(InstallError, command, "pkdoors-nothing")
        self.assertEqual("cannot run `pkdoors-nothing`: No such file or directory", str(error))

    def test_cache(self) -> None:
        """The cache of Twisted's plugins is there afterwards, for all to read."""
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
    C{pkdoors install-service} on the command line.
    """

    def run_(self, *arguments: str) -> tuple[object, str, str]:
        """Status, and what is printed on both ways."""
        status: object = 0
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            try:
                main(["install-service", *arguments], {})
            except SystemExit as end:
                status = end.code
        return status, stdout.getvalue(), stderr.getvalue()

    def test_root(self) -> None:
        """C{--root} needs no privilege, and says only what it did."""
        self.patch(os, "geteuid", lambda: 1000)
        folder = self.mktemp()
        status, stdout, stderr = self.run_("--root", folder)
        self.assertEqual((0, 5, ""), (status, stdout.count(f"wrote      {folder}/etc/"), stderr))
        self.assertEqual(5, stdout.count("\n"))
        status, stdout, _ = self.run_("--root", folder, "--uninstall")
        self.assertEqual((0, 5), (status, stdout.count(f"removed    {folder}/etc/")))

    def test_notRoot(self) -> None:
        """Without it, it needs root."""
        self.patch(os, "geteuid", lambda: 1000)
        for options in ((), ("--uninstall",)):
            expected = (
                "pkdoors install-service: only root can make or end a service: run it as root\n"
            )
            self.assertEqual((1, "", expected), self.run_(*options))

    def test_cannot(self) -> None:
        """What goes wrong is one line, and status 1."""
        folder = Path(self.mktemp())
        folder.write_text("in the way")
        status, stdout, stderr = self.run_("--root", str(folder))
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")))
        self.assertTrue(stderr.startswith(f"pkdoors install-service: cannot write {folder}/etc"))
