"""The file with the client's profiles of hosts."""

from collections.abc import Mapping
from os.path import isabs, join

from pkdoors.client.profiles import Profiles
from pkdoors.errors import BadValue
from pkdoors.files.reading import decodeText
from pkdoors.files.userfiles import readFile

MAX_PROFILES = 1 << 22
"""Bytes of the file: five thousand profiles take less than a quarter of it."""

_FOLDERS = {
    "XDG_CONFIG_HOME": ("pkdoors",),
    "HOME": (".config", "pkdoors"),
    "APPDATA": ("pkdoors",),  # of Windows
}
"""Variable of the environment -> the folder of the file below what it names, the first first."""


def locateProfiles(environment: Mapping[str, str]) -> str | None:
    """
    Return the path of the file, as the XDG specification says, and for Windows; L{None} if the user
    has no home.
    """
    for variable, below in _FOLDERS.items():
        folder = environment.get(variable, "")
        if isabs(folder):  # XDG: relative paths are to be ignored
            return join(folder, *below, "hosts.toml")
    return None


def readProfiles(environment: Mapping[str, str]) -> Profiles:
    """
    Return the client's profiles by name; none if there is no file. A profile is parsed when
    somebody looks at it.

    @raise BadValue: the file cannot be used. The message names it.
    """
    path = locateProfiles(environment)
    if path is None:
        return Profiles()
    try:
        found = readFile(path, MAX_PROFILES)
        return Profiles(decodeText(found.secret()) if found else "", path)
    except BadValue as error:
        raise error.at(path) from error
    except ValueError as error:
        raise BadValue(f"{path}: {error}") from error
