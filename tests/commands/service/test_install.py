"""Tests of L{pkdoors.commands.service.install}."""

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import main


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
