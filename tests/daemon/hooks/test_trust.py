"""Tests of L{pkdoors.daemon.hooks}: hooks that others can change."""

import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.hooks.hook import checkHooks
from pkdoors.events.event import CLOSED, OPENED, REFUSED
from pkdoors.files.access import findHookFlaw
from pkdoors.files.trust import Flaw
from tests.daemon.hooks.case import CLOSE, OPEN, REFUSE, TITLE, HooksTestCase, event
from tests.fakes.doors import makeDoor


class TrustTests(HooksTestCase):
    """
    Hooks that others can change.
    """

    def flaw(self, path: str = OPEN) -> Flaw:
        """Return why others can change it."""
        return Flaw(Path(path), "can be written by others", f"chmod go-w {path}")

    def test_notRun(self) -> None:
        """
        A hook that others can change is not run, and the log says so once, however often it would
        have run.
        """
        self.flaws[OPEN] = self.flaw()
        for _ in range(50):
            self.assertEqual([], self.start())
        self.assertEqual(
            [
                f"{TITLE} was not run, and will not be until you fix this, because others decide "
                f"what it does: {OPEN} can be written by others: run `chmod go-w {OPEN}`"
            ],
            self.log.lines(),
        )
        self.assertEqual(["error"], self.log.levels())

    def test_others(self) -> None:
        """Other hooks run, and do not wait for it."""
        self.flaws[OPEN] = self.flaw()
        commands = [each.command for each in self.start(OPENED, CLOSED, OPENED, REFUSED)]
        self.assertEqual([(CLOSE,), (REFUSE,)], commands)

    def test_eachRun(self) -> None:
        """
        The check comes before each run; a hook that is fixed runs, and is reported again later.
        """
        self.startOne().end()
        self.flaws[OPEN] = self.flaw()
        self.assertEqual([], self.start())
        self.flaws.clear()
        self.startOne().end()
        self.flaws[OPEN] = self.flaw()
        self.assertEqual([], self.start())
        self.flaws[OPEN] = self.flaw("/bin")
        self.assertEqual([], self.start())
        self.assertEqual(3, len(self.log.lines()))

    def test_stopping(self) -> None:
        """A daemon that stops does not wait for it."""
        self.flaws[OPEN] = self.flaw()
        self.hooks.hear(event())
        done = self.hooks.stop()
        self.turn()
        self.successResultOf(done)


class HookFlawTests(SynchronousTestCase):
    """
    Tests of L{findHookFlaw} and L{checkHooks}, with files.
    """

    def setUp(self) -> None:
        """Make a script in a folder that only we can write."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.script = self.file("tell", "#!/bin/sh\n")

    def file(self, name: str, text: str = "", mode: int = 0o755) -> Path:
        """Make a file."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def flaw(self, *command: object) -> str:
        """Return which path others can change; empty for none."""
        found = findHookFlaw([str(each) for each in command])
        return str(found.path).removeprefix(f"{self.folder}/") if found else ""

    def test_program(self) -> None:
        """The check covers the program and its folder."""
        self.assertEqual("", self.flaw(self.script, "open"))
        self.script.chmod(0o777)
        self.assertEqual("tell", self.flaw(self.script, "open"))
        self.script.chmod(0o755)
        self.folder.chmod(0o777)
        self.assertEqual(str(self.folder), self.flaw(self.script))

    def test_arguments(self) -> None:
        """
        It covers a script that a shell reads; not arguments that are not files, or not absolute
        paths.
        """
        self.script.chmod(0o666)
        self.assertEqual("tell", self.flaw("/bin/sh", self.script))
        self.assertEqual("tell", self.flaw("/usr/bin/env", "sh", self.script))
        self.assertEqual("", self.flaw("/bin/sh", "-c", "tell", "/dev/null", "/tmp", "/nowhere"))

    def test_notThereYet(self) -> None:
        """It covers a name that others could give to a file of theirs, just before the run."""
        open_ = self.folder / "open"
        open_.mkdir()
        open_.chmod(0o1777)
        self.assertEqual("open/x", self.flaw("/bin/sh", open_ / "x"))
        self.assertEqual("open/x", self.flaw(open_ / "x"))
        self.assertEqual("open/a/x", self.flaw("/bin/sh", open_ / "a" / "x"))
        (open_ / "x").symlink_to("x")
        self.assertEqual("", self.flaw("/bin/sh", open_ / "x"))  # a circle, but our own
        (open_ / "x").unlink()
        (open_ / "x").mkdir()
        self.assertEqual("", self.flaw("/bin/sh", open_ / "x"))
        if os.geteuid() == 0:
            os.chown(open_ / "x", 65_534, -1)
            self.assertEqual("open/x", self.flaw("/bin/sh", open_ / "x"))
        open_.chmod(0o755)
        self.assertEqual("", self.flaw("/bin/sh", open_ / "y"))

    def test_interpreter(self) -> None:
        """It covers the interpreter in the first line of a script."""
        shell = self.file("shell")
        script = self.file("other", f"#! {shell} -x\n")
        self.assertEqual("", self.flaw(script))
        shell.chmod(0o777)
        self.assertEqual("shell", self.flaw(script))
        self.assertEqual("shell", self.flaw("/bin/sh", script))

    def test_warned(self) -> None:
        """The start, and each reload, report it in one sentence."""
        self.script.chmod(0o777)
        door = makeDoor(onOpen=(str(self.script),), onClose=("/nowhere/x",))
        self.assertEqual(
            [
                "on_open of door default is not run, because others decide what it does: "
                f"{self.script} can be written by others: run `chmod go-w {self.script}`",
                "on_close of door default cannot be run: /nowhere/x does not exist",
            ],
            checkHooks([door]),
        )
