"""What is asked of the admin interface, read from a request."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

from twisted.web.http import Request

from pkdoors.errors import BadValue, FirewallError, NotFound, PkdoorsError
from pkdoors.util.durations import MAX_DURATION, formatDuration


def statusOf(error: PkdoorsError, path: bytes) -> int:
    """The HTTP status that tells programs what kind of error it is; RFC 9110, section 15."""
    if path.rstrip(b"/") == b"/reload":
        return 409
    kinds = {BadValue: 400, NotFound: 404, FirewallError: 503}
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 409)


def questionOf(request: Request, allowed: tuple[str, ...]) -> dict[str, Any]:
    """
    What is asked: the arguments after the C{?}, the address in the path, the body of a C{POST}.

    @param allowed: the names of those that there may be.
    @raise PkdoorsError: it is not fit.
    """
    _, _, query = request.uri.decode("utf-8", "replace").partition("?")
    pairs: list[tuple[str, Any]] = [*parse_qsl(query, keep_blank_values=True)]
    source = unquote(request.path.decode("utf-8", "replace")).partition("/openings/")[2]
    if source:  # also where it is no address: without it, all addresses would be meant
        pairs.append(("source", source))
    if request.method == b"POST" and allowed:
        pairs += _body(request).items()
    question = _unique(pairs)
    for name in question:
        if name not in allowed:
            known = ", ".join(allowed) if allowed else "none"
            raise BadValue(f"{name[:100]!r} is no argument here: allowed are {known}")
    return {name: _checked(name, value) for name, value in question.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise BadValue("an argument is there twice: give each once")
    return unique


def _body(request: Request) -> dict[str, Any]:
    assert request.content is not None
    request.content.seek(0)
    try:
        body = json.loads(request.content.read(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadValue('the body is no object: write {"source": "192.0.2.7", "door": "ssh"}')
    if "source" not in body:
        raise BadValue('"source" is missing: the address to open for')
    return body


def _checked(name: str, value: object) -> object:
    if name == "seconds":
        isNumber = isinstance(value, int | float) and not isinstance(value, bool)
        if not isNumber or not 1 <= value <= MAX_DURATION:  # type: ignore[operator]
            most = formatDuration(MAX_DURATION)
            raise BadValue(f"seconds: {value!r:.100} is not a number of seconds, from 1 to {most}")
        return float(value)  # type: ignore[arg-type]
    if not isinstance(value, str) or not value:
        raise BadValue(f"{name}: {value!r:.100} is not a text")
    return value
