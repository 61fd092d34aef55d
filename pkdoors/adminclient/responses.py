"""Reads the daemon's answers: JSON becomes the records that the daemon wrote. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args, get_origin

from pkdoors.admin.records import keysOf
from pkdoors.errors import AskError
from pkdoors.util.oneline import oneLine

R = TypeVar("R")

_JSON_TYPES: Mapping[Any, Any] = {float: (int, float), datetime: str}
"""The types in which JSON has these; it has the others as they are."""


def readRecord(kind: type[R], answer: object) -> R:
    """
    Return the record that an answer holds. Keys that it does not know are ignored, since the daemon
    may be newer.

    @param kind: one of L{pkdoors.admin.records}.
    @raise AskError: a key is missing, or its value is not valid.
    """
    if not isinstance(answer, dict):
        raise rejectAnswer("it is not a JSON object")
    record: Any = kind
    keys, values = keysOf(record), {}
    for field in fields(record):
        key = keys[field.name]
        isNeeded = field.default is MISSING and field.default_factory is MISSING
        if key in answer or isNeeded:
            values[field.name] = _readValue(field.type, answer.get(key), key)
    return kind(**values)


def _readValue(kind: Any, value: Any, key: str) -> Any:
    if is_dataclass(kind):
        return readRecord(kind, value)  # type: ignore[arg-type]
    container, items = get_origin(kind), get_args(kind)
    if container is Mapping and isinstance(value, dict):
        return {cleanText(name): _readValue(items[1], value[name], key) for name in value}
    if container in (Collection, Sequence, tuple) and isinstance(value, list):
        return tuple(_readValue(items[0], item, key) for item in value)
    if container is not None or not isinstance(value, _JSON_TYPES.get(kind, kind)):
        raise rejectAnswer(f"{key!r} is missing, or its value is not valid")
    try:
        return _CONVERSIONS[kind](value)
    except (ValueError, OverflowError):
        raise rejectAnswer(f"{key!r} is out of range, or is not a time") from None


def cleanText(text: str) -> str:
    """
    Return a text with nothing in it that steers a terminal: somebody else may have chosen the names
    in it.
    """
    return oneLine(text, len(text))


_CONVERSIONS: Mapping[Any, Any] = {
    bool: bool,
    int: int,
    float: float,
    str: cleanText,
    datetime: datetime.fromisoformat,
}


def rejectAnswer(reason: str) -> AskError:
    """Return the error for an answer that C{docs/admin.md} does not have."""
    return AskError(
        f"cannot understand the daemon's answer ({reason}): if the daemon was started before "
        "pkdoors was updated, restart it"
    )
