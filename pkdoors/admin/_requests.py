"""Reads requests to the admin interface."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from twisted.web.http import Request

from pkdoors.errors import BadValue, FirewallError, NotFound, PkdoorsError
from pkdoors.util.durations import MAX_DURATION, formatDuration


def chooseStatus(error: PkdoorsError, path: bytes) -> int:
    """Return the HTTP status for an error, by its kind; RFC 9110, section 15."""
    if path.rstrip(b"/") == b"/reload":
        return 409
    statuses = {BadValue: 400, NotFound: 404, FirewallError: 503}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 409)


def readArguments(request: Request, allowed: tuple[str, ...]) -> dict[str, Any]:
    """
    Return the arguments of a request: after the C{?}, the address in the path, and in the body of a
    C{POST}.

    @param allowed: their names.
    @raise BadValue: an argument is unknown, is given twice, or is not valid.
    """
    _, _, query = request.uri.decode("utf-8", "replace").partition("?")
    pairs: list[tuple[str, Any]] = [*parse_qsl(query, keep_blank_values=True)]
    source = unquote(request.path.decode("utf-8", "replace")).partition("/openings/")[2]
    if source:  # even if it is not an address: without it, the request would mean all addresses
        pairs.append(("source", source))
    if request.method == b"POST" and allowed:
        pairs += _readBody(request).items()
    arguments = _collect(pairs)
    for name in arguments:
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise BadValue(f"unknown argument {name[:100]!r}: allowed are {known}")
    return {name: _checkValue(name, value) for name, value in arguments.items()}


def _collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    collected = dict(pairs)
    if len(collected) < len(pairs):
        raise BadValue("an argument is given twice: give each once")
    return collected


def _readBody(request: Request) -> dict[str, Any]:
    assert request.content is not None
    request.content.seek(0)
    try:
        body = json.loads(request.content.read(), object_pairs_hook=_collect)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadValue('the body is not an object: send {"source": "192.0.2.7", "door": "ssh"}')
    if "source" not in body:
        raise BadValue('"source" is missing: give the address to open for')
    return body


def _checkValue(name: str, value: object) -> object:
    if name == "seconds":
        isNumber = isinstance(value, int | float) and not isinstance(value, bool)
        if not isNumber or not 1 <= value <= MAX_DURATION:  # type: ignore[operator]
            longest = formatDuration(MAX_DURATION)
            raise BadValue(
                f"seconds: {value!r:.100} is not a number of seconds, from 1 to {longest}"
            )
        return float(value)  # type: ignore[arg-type]
    if name in ("limit", "last"):
        if not isinstance(value, str) or not re.fullmatch("[0-9]{1,6}", value):
            raise BadValue(f"{name}: {value!r:.100} is not a number from 0 to 999999")
        return int(value)
    if not isinstance(value, str) or not value:
        raise BadValue(f"{name}: {value!r:.100} is not a string, or is empty")
    return value
