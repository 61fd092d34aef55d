"""The reference of the settings: complete, and true."""

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from manual.settings import (
    DAEMON_GROUPS,
    DOOR_GROUPS,
    FLEET_GROUPS,
    Group,
    describeDaemonSettings,
    describeDoorSettings,
    describeFleetSettings,
    describeForm,
    findBounds,
    findWords,
    nameOption,
)
from pkdoors.config._setting import Setting
from pkdoors.config.config import Config
from pkdoors.config.fleetfile import FLEET_SETTINGS, parseFleet
from pkdoors.config.options import Options
from pkdoors.config.parser import parseConfig
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.errors import BadValue
from tests.docs import EXTENSIONS

assert EXTENSIONS.is_dir()
ALL = (*DAEMON_SETTINGS, *DOOR_SETTINGS, *FLEET_SETTINGS)

_NEEDS = {
    "grant4": 'authorized_keys = "/k"',
    "grant6": 'authorized_keys = "/k"',
    "revoked_keys": 'authorized_keys = "/k"',
    "fleet": 'authorized_keys = "/k"',
    "listen": 'fleet = true\nauthorized_keys = "/k"',
}
"""A key that means something only beside another one -> that one."""


def read(lines: str, doorLines: str) -> Config:
    """Return what the parser makes of a file with one door."""
    door = "[doors.ssh]\n"
    if "sequence =" not in doorLines:
        door += "sequence = [1001, 1002, 1003, 1004, 1005]\n"
    if "ports =" not in doorLines:
        door += "ports = [22]\n"
    return parseConfig(f"{lines}\n{door}{doorLines}\n", "example")


def examples(groups: Iterable[Group]) -> dict[str, str]:
    """Return the examples of all keys."""
    return {key: text for group in groups for key, text in group.examples.items()}


class CompleteTests(SynchronousTestCase):
    """
    Whether nothing is left out.
    """

    def test_keys(self) -> None:
        """Each key is in one group, and has a text."""
        for groups, settings in (
            (DAEMON_GROUPS, DAEMON_SETTINGS),
            (DOOR_GROUPS, DOOR_SETTINGS),
            (FLEET_GROUPS, FLEET_SETTINGS),
        ):
            grouped = [key for group in groups for key in group.examples]
            shown = [one.key for one in settings if one.key]
            self.assertEqual(sorted(shown), sorted(grouped))
        self.assertEqual([], [one.field for one in ALL if one.key and len(one.comment) < 20])
        self.assertEqual([], [one.field for one in ALL if one.option and not one.about])

    def test_form(self) -> None:
        """Of each key, the reference says how its value is written."""
        self.assertEqual([], [one.key for one in ALL if one.key and not describeForm(one)])

    def test_text(self) -> None:
        """The text has key, form, default, example and option of a setting."""
        text = describeDoorSettings()
        _, _, text = text.partition("#### `open_for`\n")
        self.assertEqual(
            "\nHow long a knock opens the door if it does not ask for a time.\n\n"
            '- Form: a time: `"45s"`, `"10m"`, `"8h"`, `"7d"` or `"1h30m"`; from 1s to 30d\n'
            '- Default: `"30s"`\n'
            '- Example: `open_for = "10m"`\n'
            "- Option: `-t` *TIME*, `--open-for` *TIME*\n",
            text.partition("\n####")[0],
        )
        self.assertIn("- Default: none, the key is needed\n", describeDoorSettings())
        self.assertIn("- Change: needs a restart", describeDaemonSettings())


class TrueTests(SynchronousTestCase):
    """
    What the parsers make of the reference.
    """

    def test_examples(self) -> None:
        """The parser reads each example, and it is not the default."""
        for key, text in examples(DAEMON_GROUPS).items():
            setting = next(one for one in DAEMON_SETTINGS if one.key == key)
            config = read(f"{key} = {text}", "")
            self.assertNotEqual(setting.default(), getattr(config, setting.field), key)
        for key, text in examples(DOOR_GROUPS).items():
            setting = next(one for one in DOOR_SETTINGS if one.key == key)
            (door,) = read("", f"{key} = {text}\n{_NEEDS.get(key, '')}").doors
            self.assertNotEqual(setting.default(), getattr(door, setting.field), key)

    def test_fleet(self) -> None:
        """So do those of a fleet, which together are one."""
        text = "\n".join(f"{key} = {value}" for key, value in examples(FLEET_GROUPS).items())
        fleet = parseFleet(text, "example")
        for setting in FLEET_SETTINGS:
            self.assertNotEqual(setting.default(), getattr(fleet, setting.field), setting.key)
        self.assertIn("- Option: none, only in the file\n", describeFleetSettings())

    def test_words(self) -> None:
        """The words are those that the parser reads, and no others."""
        found = 0
        for setting in ALL:
            words = findWords(setting)
            found += bool(words)
            for word in words:
                setting.parse(word)
            if words:
                self.assertRaises(BadValue, setting.parse, "another")
        self.assertEqual(6, found)

    def test_bounds(self) -> None:
        """The parser reads the least and the greatest value, and nothing beyond."""
        found = 0
        for setting in ALL:
            bounds = findBounds(setting)
            if bounds is not None:
                found += 1
                self.checkBounds(setting, *bounds)
        self.assertEqual(14, found)

    def checkBounds(self, setting: Setting, least: str, most: str) -> None:
        """Check the bounds of a setting."""
        most, _, other = most.partition(", or ")
        for text in filter(None, (least, most, other)):
            setting.parse(text)
        for text in (self.move(least, -1), self.move(most, 1)):
            if not text.startswith("-"):
                self.assertRaises(BadValue, setting.parse, text)

    def move(self, text: str, by: int) -> str:
        """Return a number, or a time, that is a little less or more."""
        unit = text.lstrip("0123456789")
        return f"{int(text.removesuffix(unit)) + by}{unit}"

    def test_options(self) -> None:
        """The options are those of the daemon."""
        options = Options({}).docs
        for setting in ALL:
            if setting.option:
                self.assertIn(setting.option, options)
                self.assertIn(f"`--{setting.option}`", nameOption(setting))
