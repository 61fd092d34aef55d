"""Names of a fleet and of its hosts. Pure."""

import re

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

FLEET = "[a-z0-9][a-z0-9_-]{0,31}"
"""The name of a fleet, as a pattern. It is a part of orders and of names in the engine."""
_FLEET = re.compile(FLEET)
_HOST = re.compile("[a-z0-9][a-z0-9._-]{0,62}")


def checkFleetName(text: str) -> str:
    """
    Return the name of a fleet unchanged.

    @raise BadValue: it is not allowed as a name.
    """
    return _check(_FLEET, text, "a name of a fleet: use at most 32 small letters, digits, -")


def checkFleetHost(text: str) -> str:
    """
    Return the name of a host in a fleet unchanged.

    @raise BadValue: it is not allowed as a name.
    """
    return _check(_HOST, text, "a name of a host: use at most 63 small letters, digits, ., -")


def _check(pattern: re.Pattern[str], text: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise BadValue(f"{shown(text)} is not {rule} and _, a letter or digit first")
    return text


def isFleetHost(text: str) -> bool:
    """Return whether a text can be the name of a host in a fleet."""
    return _HOST.fullmatch(text) is not None
