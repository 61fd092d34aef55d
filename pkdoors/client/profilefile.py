"""The file with the client's profiles of hosts."""

from collections.abc import Mapping
from pathlib import Path

from pkdoors.client.profiles import Profile, parseProfiles
from pkdoors.errors import BadValue
from pkdoors.files.reading import decodeText
from pkdoors.files.userfiles import readFile


def locateProfiles(environment: Mapping[str, str]) -> Path | None:
    """
    Return the path of the file, as the XDG specification says; L{None} if the user has no home.
    """
    for variable, below in (("XDG_CONFIG_HOME", "pkdoors"), ("HOME", ".config/pkdoors")):
        folder = Path(environment.get(variable, ""))
        if folder.is_absolute():  # XDG: relative paths are to be ignored
            return folder / below / "hosts.toml"
    return None


def readProfiles(environment: Mapping[str, str]) -> dict[str, Profile]:
    """
    Return the client's profiles by name; none if there is no file.

    @raise BadValue: the file cannot be used. The message names it.
    """
    path = locateProfiles(environment)
    if path is None:
        return {}
    try:
        found = readFile(str(path))
        return parseProfiles(decodeText(found.secret())) if found else {}
    except BadValue as error:
        raise error.at(str(path)) from error
    except ValueError as error:
        raise BadValue(f"{path}: {error}") from error
