"""Tests of C{pkdoors watch} and C{pkdoors status} on a terminal."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes.admin import FakeAdmin, makeEvent, makeOpening
from tests.lab.hosts import BIN, eventually
from tests.lab.terminal import Terminal

PKDOORS = str(BIN / "pkdoors")
LONGEST = "2001:db8:1234:5678:9abc:def0:1234:5678"
COLOURS = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|[34]8;[\d;]+)m")
LEFT = b"\x1b[?1049l"
"""The control sequence that restores the screen."""


class TerminalTestCase(SynchronousTestCase):
    """Has a daemon, and a terminal."""

    def setUp(self) -> None:
        """Start the daemon."""
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)
        self.admin.runsDown = True

    def run_(self, command: str, *options: str, **settings: Any) -> Terminal:
        """Start a command on a terminal."""
        terminal = Terminal(PKDOORS, command, "--admin", self.admin.path, *options, **settings)
        self.addCleanup(terminal.close)
        return terminal

    def watch(self, **settings: Any) -> Terminal:
        """Start the watch."""
        terminal = self.run_("watch", **settings)
        self.assertTrue(terminal.shows("LAST EVENTS"), terminal.written)
        self.admin.awaitFollower()
        return terminal

    def assertClean(self, terminal: Terminal) -> None:
        """Assert that the terminal is as it was."""
        self.assertFalse(terminal.hidesCursor())
        self.assertEqual(terminal.before, terminal.settings())
        self.assertIn(LEFT, terminal.written)
        self.assertNotIn(b"Traceback", terminal.written)
        self.assertEqual(b"\x1b[?25h" + LEFT, terminal.written[-len(LEFT) - 6 :])


class PictureTests(TerminalTestCase):
    """Tests of what the watch shows."""

    def test_live(self) -> None:
        """It shows the openings, and the events as they happen."""
        terminal = self.watch()
        self.assertTrue(terminal.screen()[0].startswith("pkdoors 26.12.0, up 1h2m"))
        self.assertTrue(terminal.shows("no door is open"))
        self.assertTrue(terminal.hidesCursor())
        self.admin.openings.append(makeOpening(LONGEST, left=600.0, user="anna@laptop"))
        self.admin.tell(makeEvent("opened", LONGEST, "ssh", seconds=600.0))
        self.assertTrue(terminal.shows(f"opened          ssh for {LONGEST}, 10m"))
        self.assertTrue(terminal.shows("OPEN (1)"))
        self.assertTrue(terminal.shows("ssh 22/tcp open for 1, web 443/tcp closed"))
        self.assertTrue(terminal.shows(f"ssh  {LONGEST}  9m"))
        self.admin.knocks["other"] += 1000
        self.assertTrue(eventually(lambda: " 0.0 knocks/s" not in terminal.screen()[0]))
        self.assertRegex(terminal.screen()[0], r" \d+\.\d knocks/s$")

    def test_runsDown(self) -> None:
        """A bar runs down to the deadline, and then the opening is gone."""
        self.admin.openings.append(makeOpening("192.0.2.7", left=8.0))
        self.admin.doors[0]["open_for"] = 8.0
        # In colour, the time that is over is drawn with the same character.
        terminal = self.watch(environment={"NO_COLOR": "1"})
        self.assertTrue(terminal.shows("OPEN (1)"))
        seen: set[int] = set()

        def isGone() -> bool:
            text = "\n".join(terminal.screen())
            seen.add(text.count("━"))
            return "no door is open" in text

        self.assertTrue(eventually(isGone))
        self.assertGreater(len(seen), 3)
        self.assertEqual(0, min(seen))

    def test_fits(self) -> None:
        """Whatever there is to show, nothing is wrapped or scrolled away in 80 columns."""
        self.admin.openings = [
            makeOpening(f"2001:db8:1234:5678:9abc:def0:1234:{n:04x}", left=900.0 + n, user="ü" * 90)
            for n in range(0x1000, 0x1000 + 1000)
        ]
        terminal = self.watch()
        for _ in range(50):
            self.admin.tell(makeEvent("closed", LONGEST, "ssh", reason="x" * 200))
        self.assertTrue(terminal.shows(f"closed          ssh for {LONGEST}, xx"))
        screen = terminal.screen()
        self.assertTrue(screen[0].startswith("pkdoors 26.12.0, up "), screen)
        self.assertEqual("OPEN (1000)", screen[3])
        shown = sum("━" in line for line in screen)
        self.assertTrue(terminal.shows(f"and {1000 - shown} more, which end later"))
        for line in screen[4 : 4 + shown]:
            self.assertRegex(line, r"^ssh  2001:db8:\S{29}  \d\S+  \u00fc+")

    def test_resized(self) -> None:
        """The watch follows the size of the window at once."""
        self.admin.openings = [makeOpening(f"192.0.2.{n}", left=900.0) for n in range(100)]
        terminal = self.watch(environment={"COLUMNS": "99", "LINES": "99"})
        self.assertTrue(terminal.shows("OPEN (100)"))
        for columns, lines in ((120, 50), (60, 12), (80, 24)):
            terminal.resize(columns, lines)

            def fits(columns: int = columns, lines: int = lines) -> bool:
                screen = terminal.screen()
                bars = [line for line in screen if "━" in line]
                return (
                    screen[3] == "OPEN (100)"
                    and any("more, which end later" in line for line in screen)
                    and bool(bars)
                    and {len(line) for line in bars} == {columns}
                    and sum(bool(line) for line in screen) >= lines - 3
                )

            self.assertTrue(eventually(fits), terminal.screen())

    def test_restart(self) -> None:
        """It reports that the daemon is gone, and goes on when it is back."""
        terminal = self.watch()
        self.admin.stop()
        self.assertTrue(terminal.shows("No answer, trying again: the daemon is not running"))
        self.admin.start()
        self.admin.awaitFollower()
        self.admin.tell(makeEvent("guarding", door="ssh", reason="it is shut"))
        self.assertTrue(terminal.shows("guarding        ssh, it is shut"))
        self.assertTrue(eventually(lambda: "No answer" not in "\n".join(terminal.screen())))

    def test_colours(self) -> None:
        """It has colours, but not with C{NO_COLOR}."""
        self.admin.openings.append(makeOpening("192.0.2.7", left=600.0))
        environments: tuple[dict[str, str], ...] = ({}, {"NO_COLOR": "1"})
        for environment in environments:
            terminal = self.watch(environment=environment)
            self.assertTrue(terminal.shows("━"))
            self.assertEqual(not environment, bool(COLOURS.search(terminal.written)))
            terminal.type("\3")
            terminal.end()

    def test_ascii(self) -> None:
        """A terminal without UTF-8 gets only characters that it can show."""
        self.admin.openings.append(makeOpening("192.0.2.7", left=600.0, user="jürgen"))
        terminal = self.watch(environment={"PYTHONIOENCODING": "ascii"})
        self.assertTrue(terminal.shows("j?rgen"))
        self.assertTrue(terminal.shows("--------"))
        self.assertTrue(terminal.written.isascii())


class EndTests(TerminalTestCase):
    """Tests of how the watch ends."""

    def test_ctrlC(self) -> None:
        """Ctrl-C ends it with status 0, and the terminal is as before."""
        terminal = self.watch()
        self.assertNotEqual(terminal.before, terminal.settings())
        terminal.type("typed\r")
        terminal.type("\3")
        self.assertEqual(0, terminal.end())
        self.assertClean(terminal)
        self.assertNotIn(b"typed", terminal.written)

    def test_q(self) -> None:
        """So does the key q, and other keys do nothing."""
        terminal = self.watch()
        terminal.type("wx")
        terminal.type("q")
        self.assertEqual(0, terminal.end())
        self.assertClean(terminal)

    def test_killed(self) -> None:
        """So do other signals, with their status."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            terminal = self.watch()
            self.assertEqual(128 + number, terminal.end(number))
            self.assertClean(terminal)

    def test_stopped(self) -> None:
        """Ctrl-Z restores the terminal until the watch is resumed."""
        terminal = self.watch()
        terminal.type("\x1a")
        stat = Path(f"/proc/{terminal.process.pid}/stat")
        self.assertTrue(eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T"))
        self.assertClean(terminal)
        terminal.process.send_signal(signal.SIGCONT)
        self.assertTrue(eventually(terminal.hidesCursor))
        self.assertTrue(terminal.shows("LAST EVENTS"))
        terminal.type("\3")
        self.assertEqual(0, terminal.end())
        self.assertClean(terminal)

    def test_noDaemon(self) -> None:
        """Without a daemon at the start it is one sentence and status 3."""
        self.admin.stop()
        terminal = self.run_("watch")
        self.assertEqual(3, terminal.end())
        line = terminal.written.decode().replace("\r\n", "")
        self.assertRegex(line, r"^pkdoors watch: the daemon is not running [^\x1b\n]*$")
        self.assertEqual(1, terminal.written.count(b"\n"))

    def test_noTerminal(self) -> None:
        """Without a terminal, or on a dumb one, it is one sentence and status 2."""
        sentence = "pkdoors watch: this is not a terminal: use `pkdoors status`"
        command = [PKDOORS, "watch", "--admin", self.admin.path]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual((2, "", f"{sentence}\n"), (done.returncode, done.stdout, done.stderr))
        terminal = self.run_("watch", environment={"TERM": "dumb"})
        self.assertEqual(2, terminal.end())
        self.assertEqual(f"{sentence}\r\n".encode(), terminal.written)


class StatusTests(TerminalTestCase):
    """Tests of C{pkdoors status} on a terminal."""

    def test_colours(self) -> None:
        """It has colours, but no control sequence with C{NO_COLOR}."""
        self.admin.openings.append(makeOpening("192.0.2.7", left=600.0))
        environments: tuple[dict[str, str], ...] = ({}, {"NO_COLOR": "1"})
        for environment in environments:
            terminal = self.run_("status", environment=environment)
            self.assertEqual(0, terminal.end())
            self.assertEqual(not environment, bool(COLOURS.search(terminal.written)))
            if environment:
                self.assertNotIn(b"\x1b", terminal.written)

    def test_fits(self) -> None:
        """In 80 columns the terminal wraps nothing, and nothing is cut."""
        self.admin.openings.append(makeOpening(LONGEST, left=600.0, user="x" * 200))
        terminal = self.run_("status")
        self.assertEqual(0, terminal.end())
        screen = terminal.screen()
        (line,) = (line for line in screen if LONGEST in line)
        self.assertRegex(line, rf"^ssh   {LONGEST}  \S+ +x+$")
        plain = re.sub(rb"\x1b\[[\d;]*m", b"", terminal.written).decode()
        self.assertLessEqual(max(map(len, plain.split("\r\n"))), 80)
        self.assertEqual(200, plain.count("x"))
