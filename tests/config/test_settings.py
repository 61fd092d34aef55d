"""Tests of L{pkdoors.config.settings}."""

import tomllib
from dataclasses import fields

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.model.doors import Door


class SettingsTests(SynchronousTestCase):
    """
    Tests of the two tables.
    """

    def test_fields(self) -> None:
        """There is one setting for each field that an operator can set."""
        for settings, kind, others in (
            (DAEMON_SETTINGS, Config, {"doors", "notes", "fleet"}),
            (DOOR_SETTINGS, Door, {"name"}),
        ):
            found = sorted(setting.field for setting in settings)
            self.assertEqual(sorted({field.name for field in fields(kind)} - others), found)

    def test_texts(self) -> None:
        """Each option has a help, and each key a comment, which is a sentence."""
        for setting in (*DAEMON_SETTINGS, *DOOR_SETTINGS):
            self.assertEqual(bool(setting.option), bool(setting.about), setting.field)
            self.assertEqual(bool(setting.key), bool(setting.comment), setting.field)
            self.assertFalse(setting.key and setting.comment[-1] != ".", setting.field)

    def test_defaults(self) -> None:
        """A default that is written to a file is read back as it was."""
        for setting in (*DAEMON_SETTINGS, *DOOR_SETTINGS):
            default = setting.default()
            if setting.key and isinstance(default, str | bool | int | float) and default != "":
                text = setting.kind.write(default)
                value = tomllib.loads(f"key = {text}")["key"]
                self.assertEqual(default, setting.read(value), setting.field)
