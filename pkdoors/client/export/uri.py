"""
A profile as a URI, which fits into a QR code. Pure.

::

    pkdoors://home.example?seq=17001,17203,17005,17404,17002&door=ssh&sealed=1&name=home

The query has the keys of a profile. It has neither an identity, which is a path on one machine, nor
a round trip and an interval, which belong to the path between one client and the host.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pkdoors.client.export.subject import Subject, toAscii
from pkdoors.errors import BadValue
from pkdoors.util.durations import formatDuration
from pkdoors.util.quoting import shown

SCHEME = "pkdoors"
MAX_URI = 2000
"""Letters of the longest URI that is read. Ours have at most 500."""
MAX_NAME = 64
"""Letters of the longest name that a URI can give a profile."""

_FORM = re.compile(
    r"(?:QR-Code:)?pkdoors://(?:\[(?P<v6>[^][/?#@]+)\]|(?P<host>[^][/?#@:]+))/?\?(?P<query>[^#]*)",
    re.IGNORECASE,
)
"""What is read. C{zbarimg} writes its own word in front."""
_NAME = re.compile(r"\w[\w.-]*")

_KEYS: Mapping[str, str] = {
    "seq": "sequence",
    "door": "door",
    "sealed": "sealed",
    "open_for": "open_for",
    "wait": "wait",
    "uses": "uses",
    "payload": "payload",
}
"""The keys of a query, and those of a profile."""


def renderUri(subject: Subject) -> str:
    """Return the URI, and the end of the line."""
    profile, address = subject.profile, subject.address
    values = {
        "seq": ",".join(map(str, subject.ports)),
        "door": profile.door,
        "sealed": "1" if profile.isSealed else None,
        "open_for": formatDuration(profile.openFor) if profile.openFor else None,
        "wait": str(profile.wait) if profile.wait else None,
        "uses": "once" if profile.isOnce else None,
        "payload": "any" if profile.hearsAny else None,
        "name": None if subject.name == address else checkName(subject.name),
    }
    query = urlencode(
        {key: value for key, value in values.items() if value}, safe=",/", quote_via=quote
    )
    host = f"[{quote(address, safe=':')}]" if ":" in address else address
    return f"{SCHEME}://{host}?{query}\n"


def checkName(name: str) -> str:
    """
    Return the name of a profile that somebody else may have chosen.

    @raise BadValue: it could be taken for something else: an option, a path, a pattern.
    """
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise BadValue(
            f"{shown(name)} is not a name for a profile: use at most {MAX_NAME} letters, digits, "
            "dots, hyphens and underscores"
        )
    return name


def parseUri(text: str) -> tuple[str, dict[str, Any]]:
    """
    Read a URI.

    @return: the name of the profile and its table, with values that nobody has checked yet.
    @raise BadValue: it is not a URI of a profile. The message quotes nothing that may be secret.
    """
    match = _FORM.fullmatch(text.strip()) if len(text) <= MAX_URI else None
    if match is None:
        raise BadValue(f"this is not an address of the form {SCHEME}://HOST?seq=PORTS&...")
    host = toAscii(unquote(match["v6"] or match["host"]))
    fields = _readQuery(match["query"])
    name = fields.pop("name", host)
    if "seq" not in fields:
        raise BadValue("seq is missing, the sequence")
    table: dict[str, Any] = {"address": host}
    table |= {_KEYS[key]: value for key, value in fields.items()}
    if "sealed" in fields:
        table["sealed"] = _readFlag(fields["sealed"])
    return checkName(name) if name != host else name, table


def _readQuery(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20
        )
    except ValueError:
        raise BadValue("the part after the question mark is not KEY=VALUE&KEY=VALUE...") from None
    for key, _ in pairs:
        if key == "identity":
            raise BadValue("identity is a path on one machine: add it to your profile by hand")
        if key not in (*_KEYS, "name"):
            raise BadValue(f"unknown key {shown(key)}: allowed are {', '.join((*_KEYS, 'name'))}")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadValue("a key is given twice")
    return fields


def _readFlag(text: str) -> bool:
    if text not in ("0", "1"):
        raise BadValue(f"sealed: {shown(text)} is neither 0 nor 1")
    return text == "1"
