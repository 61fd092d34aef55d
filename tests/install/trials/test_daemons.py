"""Tests of L{pkdoors.install.trials.daemons} and of the command."""

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands.service.trial import findOwnWords
from pkdoors.errors import InstallError
from pkdoors.install.trials import daemons
from pkdoors.install.trials.daemons import Process, Service


class ServiceTests(SynchronousTestCase):
    """systemd's service on trial."""

    def setUp(self) -> None:
        """Note what is run."""
        self.ran: list[str] = []
        self.failing: tuple[str, ...] = ()
        self.service = Service(self.run_)

    def run_(self, *argv: str) -> None:
        """Run nothing."""
        self.ran.append(" ".join(argv))
        if argv[1] in self.failing:
            raise InstallError(f"{argv[1]} fails")

    def test_arm(self) -> None:
        """A timer of systemd's runs the command; one that an earlier trial left is no trouble."""
        self.failing = ("stop",)
        self.service.arm(["/bin/pkdoors", "trial", "--take-back", "x"], 59.2)
        (end,) = self.ran[1:]
        self.assertIn("systemd-run --quiet --collect --unit=pkdoors-trial ", end)
        self.assertIn(" --on-active=60 ", end)
        self.assertTrue(end.endswith(" /bin/pkdoors trial --take-back x"))

    def test_start(self) -> None:
        """It does not start at boot; what an earlier failure left is forgotten."""
        self.failing = ("reset-failed",)
        self.service.start()
        self.assertEqual("systemctl disable --quiet pkdoors.service", self.ran[0])
        self.assertEqual("systemctl start pkdoors.service", self.ran[-1])
        self.failing = ("start",)
        self.assertRaises(InstallError, self.service.start)

    def test_boot(self) -> None:
        """systemd knows whether it starts at boot."""
        self.assertTrue(self.service.startsAtBoot())
        self.failing = ("is-enabled",)
        self.assertFalse(self.service.startsAtBoot())
        self.assertEqual(["systemctl is-enabled --quiet pkdoors.service"] * 2, self.ran)

    def test_end(self) -> None:
        """It ends, and does not start at boot; what is kept does."""
        self.service.stop()
        self.service.keep()
        self.assertEqual(
            [
                "systemctl disable --quiet --now pkdoors.service",
                "systemctl enable --quiet pkdoors.service",
            ],
            self.ran,
        )


class ProcessTests(SynchronousTestCase):
    """A daemon without systemd."""

    def setUp(self) -> None:
        """Make a log."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.log = self.folder / "pkdoors.log"
        self.patch(daemons, "LOG_FOLDERS", (str(self.folder),))
        self.patch(daemons, "isShared", lambda folder: not Path(folder).stat().st_mode & 0o200)

    def program(self, script: str) -> Process:
        """Return a process that a script starts in place of pkdoors."""
        file = Path(self.mktemp()).absolute()
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return Process([str(file)])

    def test_started(self) -> None:
        """It has started when its log says so; an earlier line does not count."""
        self.log.write_text("guarding door ssh\n")
        self.program("echo \"$*\"; echo 'guarding door ssh'").start()
        lines = self.log.read_text().splitlines()
        expected = ["guarding door ssh", f"daemon --logfile {self.log}", "guarding door ssh"]
        self.assertEqual(expected, lines)

    def test_log(self) -> None:
        """The log is in the first folder that nobody else can write."""
        missing = f"{self.folder}/missing"
        shared = Path(self.mktemp()).absolute()
        shared.mkdir(mode=0o500)
        self.patch(daemons, "LOG_FOLDERS", (missing, str(shared), str(self.folder)))
        process = self.program("echo 'guarding door ssh'")
        process.start()
        self.assertTrue(self.log.exists())
        self.assertIn(f"logs to {self.log}: ", process.keep())
        self.patch(daemons, "LOG_FOLDERS", (missing, str(shared)))
        error = self.assertRaises(InstallError, process.start)
        self.assertIn(f"others can write to {missing} and {shared}", str(error))

    def test_boot(self) -> None:
        """Nobody knows whether it starts at boot."""
        self.assertFalse(Process(["x"]).startsAtBoot())

    def test_failed(self) -> None:
        """Its last line says why it did not start."""
        self.log.write_text("guarding door ssh\n")
        error = self.assertRaises(InstallError, self.program("echo a; echo b >&2; exit 1").start)
        self.assertEqual("the daemon did not start: b", str(error))
        error = self.assertRaises(InstallError, self.program("exit 1").start)
        self.assertEqual("the daemon did not start: it said nothing", str(error))
        self.assertRaises(InstallError, Process(["/nonexistent"]).start)


class WordsTests(SynchronousTestCase):
    """How the program starts itself again."""

    def test_words(self) -> None:
        """From any folder, with the options of Python, and without those of the command."""
        script = __file__
        for whole, arguments, words in (
            (["python3", script, "trial", "10m"], [script, "trial", "10m"], [script]),
            (["python3", "-I", script, "trial"], [script, "trial"], ["-I", script]),
            (["python3", "-m", "pkdoors", "trial"], ["x/__main__.py", "trial"], ["-m", "pkdoors"]),
        ):
            self.assertEqual([sys.executable, *words], findOwnWords(whole, arguments))
