"""
Parts of pages that are made of pkdoors' own tables and parsers.

A line C{<!-- generated: NAME ARGUMENT ... -->} in a page is replaced by what L{GENERATORS} has
under that name, which is Markdown, too. Code hosts show nothing there.
"""

import re
from collections.abc import Callable

from manual.commands import (
    describeCommand,
    describeCommands,
    describeOptions,
    giveExamples,
    seeAlso,
    showDaemonSynopsis,
)
from manual.examples import showConfiguration, showFleet, showKeys, showProfiles
from manual.keys import describeKeyOptions
from manual.pages import listPages
from manual.profiles import describeProfiles
from manual.settings import (
    describeDaemonSettings,
    describeDoorSettings,
    describeFleetSettings,
)

GENERATORS: dict[str, Callable[..., str]] = {
    "command": describeCommand,
    "commands": describeCommands,
    "configuration": showConfiguration,
    "daemon-synopsis": showDaemonSynopsis,
    "daemon-settings": describeDaemonSettings,
    "door-settings": describeDoorSettings,
    "examples": giveExamples,
    "fleet": showFleet,
    "fleet-settings": describeFleetSettings,
    "key-options": describeKeyOptions,
    "keys": showKeys,
    "options": describeOptions,
    "pages": listPages,
    "profile-keys": describeProfiles,
    "profiles": showProfiles,
    "see-also": seeAlso,
}

_MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)


def complete(text: str) -> str:
    """Return a page with what belongs in place of its marks."""

    def generate(mark: re.Match[str]) -> str:
        name, *arguments = mark[1].split()
        return GENERATORS[name](*arguments)

    return _MARK.sub(generate, text)
