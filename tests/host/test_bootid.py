"""Tests of L{pkdoors.host.bootid}."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.bootid import UNKNOWN, readBootId

NAME = "0f8fad5bd9cb469fa16570867728950e"


class BootIdTests(SynchronousTestCase):
    """
    Tests of L{readBootId}.
    """

    def file(self, text: str) -> Path:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_kernel(self) -> None:
        """The kernel's file takes precedence over the environment; both have the same form."""
        path = self.file("0f8fad5b-d9cb-469f-a165-70867728950e\n")
        self.assertEqual(NAME, readBootId(path, self.file(f"PKDOORS_BOOT_ID={'b' * 32}\0")))
        self.assertRegex(readBootId(), "^[0-9a-f]{32}$")

    def test_hidden(self) -> None:
        """
        If a service does not see the file, systemd's id counts; if neither is there, it is unknown.
        """
        nowhere = Path(self.mktemp())
        told = self.file(f"LANG=C\0PKDOORS_BOOT_ID={NAME}\0HOME=/\0")
        self.assertEqual(NAME, readBootId(nowhere, told))
        for text in ("", "LANG=C\0", "PKDOORS_BOOT_ID=\0", "PKDOORS_BOOT_IDS=x\0", "\0=\0x"):
            self.assertEqual(UNKNOWN, readBootId(nowhere, self.file(text)))
        self.assertEqual(UNKNOWN, readBootId(nowhere, nowhere))
