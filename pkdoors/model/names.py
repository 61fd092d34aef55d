"""Names of doors. Pure."""

import re

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def checkName(name: str) -> str:
    """
    Return the name of a door unchanged.

    @raise BadValue: it is not allowed as a name.
    """
    if not _NAME.fullmatch(name):
        raise BadValue(
            f"{shown(name)} is not a door's name: use at most 32 small letters, digits, - and _, "
            "a letter first"
        )
    return name
