"""The daemon's options for C{argparse}, from the tables that C{twistd pkdoors} has them from."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from pkdoors.commands.parser import completeWith
from pkdoors.config.settings import CONF_ABOUT, DAEMON_SETTINGS, DOOR_SETTINGS

_NAMED = [setting for setting in (*DOOR_SETTINGS, *DAEMON_SETTINGS) if setting.option]


def addDaemonOptions(command: ArgumentParser) -> None:
    """Add the options of the configuration; L{listWords} returns what the user gave of them."""
    conf = command.add_argument("-c", "--conf", metavar="FILE", help=CONF_ABOUT)
    completeWith(conf, "listFiles")
    _addSettings(command.add_argument_group("options of the daemon"), DAEMON_SETTINGS)
    about = "These override the configuration file, and work only if it has exactly one door."
    _addSettings(command.add_argument_group("options of the door", about), DOOR_SETTINGS)


def _addSettings(group: Any, settings: Iterable[Any]) -> None:
    for setting in settings:
        if not setting.option:
            continue
        names = [f"-{setting.letter}"] if setting.letter else []
        more: dict[str, Any] = {"metavar": setting.kind.metavar}
        if setting.isFlag:
            more = {"action": "store_true"}
        elif setting.isRepeated:
            more["action"] = "append"
        about = setting.describe().replace("%", "%%")
        option = group.add_argument(*names, f"--{setting.option}", help=about, **more)
        if setting.formerOption:
            former = f"--{setting.formerOption}"
            group.add_argument(former, dest=option.dest, help=SUPPRESS, **more)
        isFile = setting.kind.metavar in ("FILE", "PATH")
        completeWith(option, "listFiles" if isFile else "listValues")


def listWords(options: Namespace) -> list[str]:
    """Return the options that the user gave, as words of a command line."""
    return list(_words(vars(options)))


def _words(given: dict[str, Any]) -> Iterator[str]:
    for name in ("conf", *(setting.option for setting in _NAMED)):
        value = given[name.replace("-", "_")]
        if value is True:
            yield f"--{name}"
        elif value not in (None, False):
            for each in value if isinstance(value, list) else [value]:
                yield f"--{name}={each}"
