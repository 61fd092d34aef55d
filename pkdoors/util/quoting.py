"""
How messages quote wrong values, and what they may have meant. Pure.

A sequence is a secret, and the wrong value may be one: mistyped, in the place of another value, or
under another name. So no message quotes anything that may be a sequence, or a part of one.
"""

import re
from collections.abc import Iterable
from datetime import date, time

MOST = 60
"""Characters that a message quotes, enough to recognize the value."""

_PORTS = re.compile(r"[0-9]{3,}|[0-9][,;:|\s]+[0-9]")
"""What may be a port of three digits or more, or a list of smaller ports."""

_NUMBER = re.compile(r"(?<![0-9.])[0-9]{2,5}(?![0-9]|\.[0-9])")
_LIST = re.compile(r"[0-9,;:|\s]+")


def shown(value: object, hidden: str = "this") -> str:
    """
    Return a value from TOML or a command line as an error quotes it, in one line.

    @param hidden: the replacement for a text that may have a port of a sequence in it.
    """
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return "a date or time"
    if isinstance(value, str):
        return hidden if mayHavePort(value) else repr(_short(value))
    return "this number" if mayHavePort(str(value)) else str(value)


def findNear(wrong: str, known: Iterable[str], least: float = 0.75) -> str:
    """
    Return the known word that a wrong one resembles most; empty if it resembles none enough.

    @param least: from 0, for any word, to 1, for the same one.
    """
    from difflib import get_close_matches  # only for a mistake

    return next(iter(get_close_matches(wrong, known, 1, least)), "")


def mayHavePort(text: str) -> bool:
    """Return whether a text may be a sequence, or have a port of one in it."""
    return _PORTS.search(text) is not None


def hidePorts(text: str) -> str:
    """
    Return the message of another program, which may quote ports that it was given, without any
    number that may be a port. IPv4 addresses stay.
    """
    return _NUMBER.sub("...", text)


def quoteHost(host: str) -> str:
    """Return the name or address of a host, as an error quotes it."""
    isSecret = _LIST.fullmatch(host) or "?" in host  # a sequence, or the URI of a profile
    return "the given host" if isSecret else repr(_short(host))


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}..."
