"""Tests of L{tests.lab.program}, which all benchmarks and the soak share."""

import argparse
import io
import json
import os
import signal
import sys
from contextlib import redirect_stderr

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import program
from tests.lab.program import Program, findLack, onProcessor, pickProcessors


class ProgramTests(SynchronousTestCase):
    """
    Tests of the command line, with an option of each kind.
    """

    def setUp(self) -> None:
        """Make a program that lacks nothing."""
        self.patch(program, "findLack", lambda *arguments: "")
        self.patch(signal, "signal", lambda *arguments: None)
        self.program = Program("bench.x", "A benchmark.", {})
        self.program.addNumber("tries", 100, 1000, "tries")
        self.program.addList("--kinds", ("junk", "first"), "kinds of flood")
        self.program.addList("--rates", (10, 0), "rates", isOpen=True)

    def start(self, *arguments: str) -> argparse.Namespace:
        """Start the program with some arguments."""
        self.patch(sys, "argv", ["bench.x", *arguments])
        return self.program.start()

    def assertRefused(self, message: str, *arguments: str) -> None:
        """Assert that these arguments end the program with a message."""
        with redirect_stderr(io.StringIO()) as errors:
            status = self.assertRaises(SystemExit, self.start, *arguments).code
        self.assertEqual(2, status)
        self.assertEqual(f"bench.x: error: {message}", errors.getvalue().splitlines()[-1])

    def test_defaults(self) -> None:
        """Without arguments, each option has its default."""
        options = self.start()
        self.assertEqual(
            (100, ["junk", "first"], [10, 0]), (options.tries, options.kinds, options.rates)
        )

    def test_given(self) -> None:
        """Numbers and lists can be given; an open list takes other values, too."""
        options = self.start("--tries", "1000", "--kinds", "first", "--rates", "7,0")
        self.assertEqual((1000, ["first"], [7, 0]), (options.tries, options.kinds, options.rates))

    def test_limits(self) -> None:
        """A number outside its limits is refused."""
        for number in (0, 1001):
            self.assertRefused(f"--tries {number}: must be from 1 to 1000", f"--tries={number}")

    def test_strange(self) -> None:
        """An unknown value in a list is refused."""
        self.assertRefused("argument --kinds: x is not one of junk,first", "--kinds", "first,x")

    def test_noFolder(self) -> None:
        """A file in a directory that does not exist is refused."""
        folder = self.mktemp()
        message = f"argument --json: {folder} is not a directory"
        self.assertRefused(message, "--json", f"{folder}/figures")

    def test_save(self) -> None:
        """The figures are written only to the file that C{--json} names."""
        self.program.save({"median": 1.5})
        file = self.mktemp()
        self.start("--json", file)
        self.program.save({"median": 1.5})
        with open(file) as written:
            self.assertEqual({"median": 1.5}, json.load(written))

    def test_lack(self) -> None:
        """A program that lacks something ends with one line."""
        self.patch(program, "findLack", lambda *arguments: "nft not installed")
        error = self.assertRaises(SystemExit, self.start)
        self.assertEqual("bench.x: nft not installed", error.code)

    def test_interrupted(self) -> None:
        """SIGINT ends the work with one line."""

        def work() -> None:
            raise KeyboardInterrupt

        error = self.assertRaises(SystemExit, self.program.run, work)
        self.assertEqual("bench.x: interrupted, and cleaned up", error.code)
        self.assertEqual(3, self.program.run(max, 2, 3))


class LackTests(SynchronousTestCase):
    """
    Tests of L{findLack}.
    """

    def setUp(self) -> None:
        """Be root on a machine with two CPUs."""
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "sched_getaffinity", lambda process: {2, 5})

    def test_nothing(self) -> None:
        """Nothing is missing."""
        self.assertEqual("", findLack({"sh": "dash"}, 2))

    def test_root(self) -> None:
        """Only root can make network namespaces."""
        self.patch(os, "geteuid", lambda: 1000)
        self.assertIn("needs root", findLack({}))

    def test_processors(self) -> None:
        """Some programs need more than one CPU."""
        self.assertIn("it needs 3 CPUs", findLack({}, 3))

    def test_packages(self) -> None:
        """The missing packages are named, and the command that installs them."""
        self.assertEqual(
            "x and y not installed: apt-get install x y",
            findLack({"no-such-x": "x", "sh": "dash", "no-such-y": "y"}),
        )


class ProcessorTests(SynchronousTestCase):
    """
    Tests of the choice of CPUs.
    """

    def test_pick(self) -> None:
        """The daemon gets the first CPU and the load the last, which may be the same."""
        for numbers, picked in (({1, 3, 2}, (1, 3)), ({4}, (4, 4))):
            self.patch(os, "sched_getaffinity", lambda process, numbers=numbers: numbers)
            self.assertEqual(picked, pickProcessors())

    def test_onProcessor(self) -> None:
        """A process stays on a CPU only meanwhile."""
        before = os.sched_getaffinity(0)
        with onProcessor(min(before)):
            self.assertEqual({min(before)}, os.sched_getaffinity(0))
        self.assertEqual(before, os.sched_getaffinity(0))
