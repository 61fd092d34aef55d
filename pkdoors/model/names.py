"""Names of doors and of hosts. Pure."""

import re

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

MAX_HOST = 253
"""Letters of the longest name of a host; RFC 1035."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOST = re.compile(r"[\w:][\w.:%-]*")


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


def checkHost(text: str) -> str:
    """
    Return a text that can be the name or the address of a host, and nothing else to any program
    that it is given to: not an option, nor a path, nor several words.

    @raise BadValue: it cannot.
    """
    if len(text) > MAX_HOST or not _HOST.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a name or address of a host")
    return text
