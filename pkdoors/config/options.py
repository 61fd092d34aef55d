"""The command line of C{twistd pkdoors}, and the environment behind it."""

import os.path
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as ListOf
from dataclasses import replace
from functools import cached_property, partial
from os import environ
from typing import Any, ClassVar

from twisted.python.usage import UsageError

from pkdoors.config._setting import Setting
from pkdoors.config.commandline import WRONG_CONFIG, CommandLine
from pkdoors.config.config import Config
from pkdoors.config.parser import checkDoors
from pkdoors.config.settings import ABOUT, CONF_ABOUT, DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.config.values import parseAt, parsePath
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.util.quoting import shown

_ALL = (*DOOR_SETTINGS, *DAEMON_SETTINGS)
_FORMER = {f"--{each.formerOption}": f"--{each.option}" for each in _ALL if each.formerOption}
_WITHOUT_FILE = ("-m", "-p", "--magic-seq", "--ports")
"""With one of these no file is read, unless it is named."""

Given = tuple[Setting, str, Any]
"""A setting, the option or variable that gives it, and the text."""


def _renameFormer(word: str) -> str:
    """Return a word of the command line, with the present name of an option."""
    name, equals, value = word.partition("=")
    return f"{_FORMER.get(name, name)}{equals}{value}"


class Options(CommandLine):
    """
    The options of the daemon.

    @ivar config: what the operator wants, after the parsing.
    @ivar file: the configuration file that was read; empty if there was none.
    """

    program = "twistd pkdoors"
    synopsis = "[--conf FILE | --magic-seq PORTS --ports PORTS] [options]"
    longdesc = ABOUT
    optParameters: ClassVar = [
        ["conf", "c", None, CONF_ABOUT],
        *(
            [setting.option, setting.letter, None, setting.describe()]
            for setting in _ALL
            if setting.option and not setting.isFlag and not setting.isRepeated
        ),
    ]
    optFlags: ClassVar = [
        [setting.option, setting.letter, setting.about] for setting in _ALL if setting.isFlag
    ]

    def __init__(
        self,
        environment: Mapping[str, str] = environ,
        places: ListOf[str] | None = None,
    ) -> None:
        super().__init__()
        self._environment = environment
        self._givenPlaces = places
        self._absolutePaths: dict[str, str] = {}
        self.config: Config
        self.file = ""

    def opt_interface(self, address: str) -> None:
        # The only option that can be repeated, which Twisted has no table for.
        self["interface"] = [*self.get("interface", []), address]

    opt_interface.__doc__ = next(
        setting.about for setting in DAEMON_SETTINGS if setting.option == "interface"
    )

    def parseOptions(self, options: ListOf[str] | None = None) -> None:
        """See L{CommandLine.parseOptions}."""
        try:
            super().parseOptions(None if options is None else [*map(_renameFormer, options)])
        except ConfigError as error:
            self.refuse(str(error), WRONG_CONFIG)

    def hintFor(self, error: UsageError) -> str:
        """Return what may help an operator who gave a wrong option."""
        hint = super().hintFor(error)
        if "not recognized" in str(error):
            hint += "; put twistd's own options before the word pkdoors"
        return hint

    def parseArgs(self, *rest: str) -> None:
        """Refuse all words that are not options."""
        if rest:
            raise UsageError(
                f"{shown(rest[0])} is not an option: write lists with commas, without blanks"
            )

    def postOptions(self) -> None:
        """Check everything and make one value of it."""
        try:
            self.config = self.reread()
        except BadValue as error:
            raise UsageError(str(error)) from error

    def reread(self) -> Config:
        """
        Return what the command line asks for, with what the file says now.

        @raise PkdoorsError: that is not allowed.
        """
        from pkdoors.config.file import readConfig

        doorGiven = list(self._givenFor(DOOR_SETTINGS))
        file = self.file = self._chooseFile(doorGiven)
        config = readConfig(file) if file else Config(())
        overriding = _parseGiven(self._givenFor(DAEMON_SETTINGS))
        doors = self._overrideDoor(config.doors, doorGiven)
        return checkDoors(replace(config, doors=doors, **overriding))

    def _givenFor(self, settings: Iterable[Setting]) -> Iterator[Given]:
        """Return what the command line, or else the environment, gives of these settings."""
        for setting in settings:
            text = self.get(setting.option)
            if text is not None:
                yield setting, f"--{setting.option}", text
            elif setting.variable in self._environment:
                yield setting, setting.variable, self._environment[setting.variable]

    def _chooseFile(self, given: list[Given]) -> str:
        """Return the configuration file; empty if none is to be read."""
        if self["conf"] is not None:
            return self._makeAbsolute(parseAt("--conf", parsePath, self["conf"]))
        if any(setting.variable for setting, _, _ in given):
            return ""
        from pkdoors.config.file import isThere

        found = next(filter(isThere, self._places), "")
        if not found:
            raise ConfigError(
                f"No configuration found (looked for {', '.join(self._places)}). "
                "Create one with `pkdoors init`"
            )
        return found

    def guessFile(self, arguments: ListOf[str]) -> str:
        """
        Return the configuration file that is meant, even if the command line is wrong; empty if
        none is.

        @param arguments: the command line.
        """
        named = self["conf"] or _confIn(arguments)
        if named:
            return self._makeAbsolute(named)
        isWithout = any(setting.variable for setting, _, _ in self._givenFor(DOOR_SETTINGS))
        if isWithout or any(word.startswith(_WITHOUT_FILE) for word in arguments):
            return ""
        from pkdoors.config.file import isThere

        return next(filter(isThere, self._places), self._places[0])

    @cached_property
    def _places(self) -> ListOf[str]:
        """The paths where the file may be. What finds it needs UNIX, and C{--help} does not."""
        from pkdoors.config.file import listConfPlaces

        return listConfPlaces(self._environment) if self._givenPlaces is None else self._givenPlaces

    def _makeAbsolute(self, path: str) -> str:
        """Return a path as it was first meant: a daemon changes its folder, and reads it again."""
        if path not in self._absolutePaths:
            self._absolutePaths[path] = os.path.abspath(path)
        return self._absolutePaths[path]

    def _overrideDoor(self, doors: tuple[Door, ...], given: list[Given]) -> tuple[Door, ...]:
        """Return the doors of the file with what is given otherwise; without a file, a new one."""
        origins = {setting.field: origin for setting, origin, _ in given}
        if len(doors) > 1:
            if origins:
                raise BadValue(
                    f"{', '.join(origins.values())}: the configuration file has {len(doors)} "
                    "doors, and this does not say for which one: change it in the file"
                )
            return doors
        fields = _parseGiven(given)
        if not doors:
            _checkComplete(origins)
        make = partial(replace, *doors) if doors else partial(Door, "default")
        try:
            if paths := fields.get("authorizedKeys"):
                fields["authorizedKeys"] = tuple(map(self._makeAbsolute, paths))
            if path := fields.get("revokedKeys"):
                fields["revokedKeys"] = self._makeAbsolute(path)
            door = make(**fields)
            door.checkPurpose()
        except BadValue as error:
            places = {
                "openFor": "--open-for, --max-open-for",
                "ports": origins.get("ports") or origins.get("sequence", "--ports"),
                "sequence": origins.get("sequence") or origins.get("authorizedKeys", ""),
                "hearsAny": origins.get("hearsAny") or origins.get("authorizedKeys", ""),
                "trusted": "--trusted",
                "revokedKeys": "--revoked-keys",
                "grant4": "--grant4",
                "grant6": "--grant6",
                "once": origins.get("once") or origins.get("cutSessions", ""),
            }
            raise error.at(places[error.field]) from error
        return (door,)


def _parseGiven(given: Iterable[Given]) -> dict[str, Any]:
    """Return the values of settings by their fields."""
    return {setting.field: parseAt(origin, setting.parse, text) for setting, origin, text in given}


def _confIn(arguments: ListOf[str]) -> str:
    """Return the file that a command line names which could not be parsed; empty for none."""
    following = iter(arguments)
    for word in following:
        name, equals, value = word.partition("=")
        if name in ("-c", "--conf") and not equals:
            return next(following, "")
        if name == "--conf":
            return value
        if word.startswith("-c") and word[2:]:
            return word[2:]
    return ""


def _checkComplete(given: Mapping[str, str]) -> None:
    for setting in DOOR_SETTINGS:
        if setting.variable and setting.field not in given:
            raise BadValue(f"--{setting.option} is missing, and {setting.variable} is not set")
