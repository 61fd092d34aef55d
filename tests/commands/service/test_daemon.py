"""Tests of L{pkdoors.commands.service.daemon} and L{pkdoors.commands.daemonoptions}."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import main, makeParser
from pkdoors.commands.daemonoptions import listWords
from pkdoors.commands.service import daemon
from pkdoors.config.options import Options
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.daemon.process import signals
from pkdoors.daemon.process.options import Options as ProcessOptions
from tests import ROOT
from tests.fakes.refusals import refusal

SEQ = "17001,17203,17005,17404,17002,17009"
NAMED = [setting for setting in (*DOOR_SETTINGS, *DAEMON_SETTINGS) if setting.option]


class DaemonTestCase(SynchronousTestCase):
    """The command, with nothing behind it."""

    def setUp(self) -> None:
        """Note what would run, and touch neither the firewall nor the process."""
        self.ran: list[tuple[Any, str, Any]] = []
        self.kept = 0
        self.patch(daemon, "runTwistd", lambda name, *given: self.ran.append(given))
        self.patch(signals, "handleInterrupt", lambda: None)
        self.patch(ProcessOptions, "keepClosed", self.keep)
        self.addCleanup(os.umask, os.umask(0o022))

    def keep(self) -> str:
        """Keep the ports closed."""
        self.kept += 1
        return "; kept"

    def run_(self, *arguments: str) -> Any:
        """Run the command; return the options of the daemon."""
        main(["daemon", *arguments], {})
        (ran,) = self.ran
        return ran[0]


class OptionsTests(DaemonTestCase):
    """The options, which come from the tables that C{twistd pkdoors} has them from."""

    def test_help(self) -> None:
        """The help has each option of the tables, what it is about, and an example."""
        with redirect_stdout(StringIO()) as stdout:
            self.assertRaises(SystemExit, main, ["daemon", "--help"], {})
        words = " ".join(stdout.getvalue().split())
        for setting in NAMED:
            self.assertIn(f"--{setting.option}", words)
            self.assertIn(setting.about, words)
        self.assertIn("Example: sudo pkdoors daemon --conf", words)

    def test_former(self) -> None:
        """An option that was renamed still has its earlier name."""
        wanted = self.run_("-m", "17001,17203,17005,17404,17002", "-p", "22", "--max-open", "2h")
        self.assertEqual(7200.0, wanted.config.doors[0].maxOpenFor)

    def test_same(self) -> None:
        """Each option means the same as for C{twistd pkdoors}."""
        for arguments in (
            ["-t", "45s", "--sessions=cut", "--log-knocks"],
            ["--interface", "192.0.2.1", "--interface", "2001:db8::1", "-f", "nftables"],
            ["--trusted", "192.0.2.0/24,wg0", "--knock-rate=0", "--admin", "off"],
        ):
            words = ["-m", SEQ, "-p", "22,51820/udp", *arguments]
            wanted = Options({})
            wanted.parseOptions(words)
            self.ran.clear()
            self.assertEqual(wanted.config, self.run_(*words).config)

    def test_all(self) -> None:
        """No option is lost on the way."""
        words = ["--conf=/x"]
        for setting in NAMED:
            words.append(f"--{setting.option}" + ("" if setting.isFlag else "=x"))
        options = makeParser("daemon").parse_args(["daemon", *words])
        self.assertEqual(sorted(words), sorted(listWords(options)))

    def test_values(self) -> None:
        """A value may begin with a dash or be empty, and is then refused as twistd refuses it."""
        for value in ("-5", ""):
            arguments = ["-m", SEQ, "-p", "22", f"--open-for={value}"]
            line = refusal(self, 2, Options({}).parseOptions, arguments)
            expected = line.replace("twistd pkdoors", "pkdoors daemon")
            found = refusal(self, 2, main, ["daemon", *arguments], {})
            self.assertEqual(f"{expected}; kept", found)


class RunTests(DaemonTestCase):
    """What it runs, and what it refuses."""

    def test_plain(self) -> None:
        """It logs to standard output, and what it creates is private."""
        self.run_("-m", SEQ, "-p", "22")
        self.assertEqual([("", None)], [(pidfile, log) for _, pidfile, log in self.ran])
        self.assertEqual(0o077, os.umask(0))

    def test_files(self) -> None:
        """It can write both; the log is private, and begins again at a reload."""
        log, number = Path(self.mktemp()).absolute(), Path(self.mktemp()).absolute()
        options = self.run_("-m", SEQ, "-p", "22", "--logfile", str(log), "--pidfile", str(number))
        ((_, pidfile, makeLog),) = self.ran
        makeLog()({"log_format": "said", "log_time": 0.0})
        self.assertEqual(str(number), pidfile)
        self.assertIn("said\n", log.read_text())
        self.assertEqual(0o600, log.stat().st_mode & 0o7777)
        (reopener,) = options.components
        log.unlink()
        reopener.reopen()
        self.assertTrue(log.exists())

    def test_wrongUsage(self) -> None:
        """Whatever is wrong with the options is one line with status 2; the ports stay closed."""
        for arguments, words in (
            (["--nonsense"], "unrecognized arguments: --nonsense"),
            (["--open-for"], "expected one argument"),
            (["-m", SEQ, "-p", "22", "-t", "never"], "--open-for: 'never' is not a time"),
            (["-m", SEQ, "-p", "22", "--logfile", "/nowhere/x"], "--logfile: cannot write"),
        ):
            line = refusal(self, 2, main, ["daemon", *arguments], {})
            self.assertIn(words, line)
            self.assertTrue(line.endswith("; kept"), line)
        self.assertEqual((4, []), (self.kept, self.ran))

    def test_wrongFile(self) -> None:
        """A wrong file is one line with status 78, EX_CONFIG."""
        file = Path(self.mktemp()).absolute()
        file.touch(0o600)
        file.write_text("[doors.")
        line = refusal(self, os.EX_CONFIG, main, ["daemon", "-c", str(file)], {})
        self.assertIn("is not valid TOML", line)
        self.assertTrue(line.endswith("; kept"), line)

    def test_version(self) -> None:
        """C{--version} is all that script/server needs to install what is missing."""
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()):
            end = self.assertRaises(SystemExit, main, ["daemon", "--version"], {})
        self.assertEqual(0, end.code)
        self.assertRegex(stdout.getvalue(), r"\Apkdoors [0-9.a-z]+\n\Z")


class ModuleTests(SynchronousTestCase):
    """C{python -m pkdoors}."""

    def test_module(self) -> None:
        """It is the command."""
        for arguments, status in (("--version", 0), ("nonsense", 2)):
            done = subprocess.run(
                [sys.executable, "-m", "pkdoors", arguments],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
            self.assertEqual(status, done.returncode, done.stderr)
            self.assertTrue((done.stdout + done.stderr).startswith("pkdoors"), done.stderr)
