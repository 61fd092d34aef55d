"""The file with the client's profiles of hosts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pkdoors.client.profiles import Profile, Profiles, readProfile
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.files.reading import decodeText
from pkdoors.files.userfiles import readFile

MAX_PROFILES = 1 << 22
"""Bytes of the file: five thousand profiles take less than a quarter of it."""


def locateProfiles(environment: Mapping[str, str]) -> Path | None:
    """
    Return the path of the file, as the XDG specification says; L{None} if the user has no home.
    """
    for variable, below in (("XDG_CONFIG_HOME", "pkdoors"), ("HOME", ".config/pkdoors")):
        folder = Path(environment.get(variable, ""))
        if folder.is_absolute():  # XDG: relative paths are to be ignored
            return folder / below / "hosts.toml"
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
        found = readFile(str(path), MAX_PROFILES)
        return Profiles(decodeText(found.secret()) if found else "", str(path))
    except BadValue as error:
        raise error.at(str(path)) from error
    except ValueError as error:
        raise BadValue(f"{path}: {error}") from error


def addToFile(
    environment: Mapping[str, str], name: str, table: Mapping[str, Any], isReplaced: bool
) -> tuple[Path, Profile]:
    """
    Add a profile to the file, which is made if it is missing, and which only the user may read.
    Everything else in it stays as it is.

    @param table: the profile as a table of the file; nobody has checked it yet.
    @param isReplaced: whether to replace a profile of that name. Its identity stays, as the new one
        may come from another machine.
    @return: the path of the file, and the profile.
    @raise BadValue: the profile is wrong, or there is one of that name.
    @raise PkdoorsError: the file cannot be written.
    """
    from pkdoors.files.writing import lockFolder, replaceFile

    profile = readProfile(name, table)
    path = locateProfiles(environment)
    if path is None:
        raise PkdoorsError("there is no place for profiles: set HOME to your home folder")
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with lockFolder(path.parent):
            profiles = readProfiles(environment)
            before = profiles.get(name) if isReplaced else None
            if before and before.identity and profile.isSealed:
                profile = readProfile(name, {**table, "identity": before.identity})
            replaceFile(path, _addTo(path, profiles.text, name, profile, isReplaced).encode())
    except OSError as error:
        raise PkdoorsError(f"cannot write {path}: {error.strerror}") from error
    return path, profile


def _addTo(path: Path, text: str, name: str, profile: Profile, isReplaced: bool) -> str:
    """Return the text of a file with one more profile."""
    from pkdoors.client.export.profiletext import addProfile

    try:
        return addProfile(text, name, profile, isReplaced)
    except BadValue as error:
        raise error.at(str(path)) from error
