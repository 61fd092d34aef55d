"""Tests of L{pkdoors.bootid}."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.bootid import UNKNOWN, VARIABLE, readBoot

NAME = "0f8fad5bd9cb469fa16570867728950e"


class BootIdTests(SynchronousTestCase):
    """
    Tests of L{readBoot}.
    """

    def test_kernel(self) -> None:
        """The kernel's file counts before the environment; both have the same form."""
        path = Path(self.mktemp())
        path.write_text("0f8fad5b-d9cb-469f-a165-70867728950e\n")
        self.assertEqual(NAME, readBoot(path, {VARIABLE: "b" * 32}))
        self.assertRegex(readBoot(), "^[0-9a-f]{32}$")

    def test_hidden(self) -> None:
        """A service that does not see it is told by systemd; if nobody tells, it is not known."""
        nowhere = Path(self.mktemp())
        self.assertEqual(NAME, readBoot(nowhere, {VARIABLE: NAME}))
        self.assertEqual(UNKNOWN, readBoot(nowhere, {}))
        self.assertEqual(UNKNOWN, readBoot(nowhere, {VARIABLE: ""}))
