"""Add profiles to the client's file of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pkdoors.client.export.profiletext import addProfile
from pkdoors.client.profilefile import locateProfiles, readProfiles
from pkdoors.client.profiles import Profile, readProfile
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.files.writing import lockFolder, replaceFile


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
    profile = readProfile(name, table)
    place = locateProfiles(environment)
    if place is None:
        raise PkdoorsError(
            "there is no place for profiles: set HOME (on Windows APPDATA) to your own folder"
        )
    path = Path(place)
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
    try:
        return addProfile(text, name, profile, isReplaced)
    except BadValue as error:
        raise error.at(str(path)) from error
