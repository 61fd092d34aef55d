"""The reference of the daemon's options, and of C{pkdoors check}, which has the same ones."""

from collections.abc import Iterator
from typing import Any

from manual.markdown import escape, fence, listDefinitions
from manual.settings import nameOption
from pkdoors.config.options import Options
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.doctor.options import CheckOptions

_SETTINGS = {one.option: one for one in (*DAEMON_SETTINGS, *DOOR_SETTINGS) if one.option}


def showDaemonSynopsis() -> str:
    """Return the ways to start the daemon."""
    return fence("pkdoors daemon [OPTION ...]\ntwistd [-n] pkdoors [OPTION ...]")


def describeDaemonOptions() -> str:
    """Return the options of the daemon."""
    return listDefinitions(_list(Options))


def describeCheck() -> str:
    """Return what the page of C{pkdoors check} has that other commands have from their parsers."""
    synopsis = CheckOptions.synopsis.removeprefix("Usage: ").replace("[options]", "[OPTION ...]")
    about = escape(CheckOptions.longdesc)
    options = listDefinitions(_list(CheckOptions))
    return f"{fence(synopsis)}\n## DESCRIPTION\n\n{about}\n\n## OPTIONS\n\n{options}"


def _list(kind: type[Options]) -> Iterator[tuple[str, str]]:
    options: Any = kind({})
    letters = {name: letter for letter, name in options.synonyms.items() if len(letter) == 1}
    for name, about in sorted(options.docs.items()):
        if len(name) > 1:
            yield _name(name, letters.get(name, "")), f"{escape(f'{about[0].upper()}{about[1:]}')}."


def _name(option: str, letter: str) -> str:
    if option in _SETTINGS:
        return nameOption(_SETTINGS[option])
    word = " *FILE*" if option == "conf" else ""
    short = f"`-{letter}`{word}, " if letter else ""
    return f"{short}`--{option}`{word}"
