"""Refuses requests that are not from our own page."""

import re
from collections.abc import Iterator

from twisted.web.http_headers import Headers

from pkdoors.admin.browsers import quote, refuseOtherPages

ADVICE = "open the link that `pkdoors web` has printed"
READING = {b"GET", b"HEAD"}
"""Methods that change nothing."""

WEB_HEADERS = (
    (b"Cache-Control", b"no-store"),
    (
        b"Content-Security-Policy",
        b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        b"object-src 'none'",
    ),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
)
"""Each answer has them: the page loads only what is its own, and no other page may show or load it,
guess its type, or keep it."""


class Checks:
    """
    The checks of every request, for what the browser says of where it comes from.

    @param port: on which we listen.
    @param name: one that is only ours, beside those that all servers of this machine have.
    """

    def __init__(self, port: int, name: str) -> None:
        names = ("127.0.0.1", "localhost", name)
        self._hosts = {f"{each}:{port}".encode() for each in names}
        self.cookie = b"pkdoors-%d" % port
        """The name of the cookie. Cookies belong to a host, whatever the port."""

    def refuse(self, method: bytes, headers: Headers) -> tuple[int, str] | None:
        """Return the status and the sentence of a refusal, or L{None}."""
        hosts = headers.getRawHeaders(b"host", [])
        if len(hosts) != 1:
            return 400, f"a request needs one Host header: {ADVICE}"
        # Nobody but this machine has these names, so no other page gets here by a name of its own.
        if hosts[0] not in self._hosts:
            return 403, f"{quote(hosts[0])} is not this page's host and port: {ADVICE}"
        if refusal := refuseOtherPages(headers, {b"http://" + hosts[0]}, ADVICE):
            return refusal
        return None if method in READING else _refuseUnknown(headers)

    def findSecrets(self, headers: Headers) -> Iterator[bytes]:
        """
        Yield the values of our cookie. There may be several: another page of this host can set one
        for a path, and must not end a session so.
        """
        for line in headers.getRawHeaders(b"cookie", []):
            for pair in line.split(b";"):
                name, _, value = pair.strip().partition(b"=")
                if name == self.cookie:
                    yield value


def _refuseUnknown(headers: Headers) -> tuple[int, str] | None:
    """Refuse to change anything if nothing says which page the request is from."""
    site = headers.getRawHeaders(b"sec-fetch-site", [])
    if headers.hasHeader(b"origin") or b"same-origin" in map(bytes.lower, site):
        return None
    return 403, "a request that changes something needs an Origin header: use the page"


_ADDRESS = re.compile(
    r"/openings/[0-9A-Fa-f:.%]{1,200}(?:%25[\w.%-]{1,45})?(?:/[0-9]{1,3})?", re.ASCII
)
"""An address, perhaps with an interface, or a network; its parts are encoded as in a URL."""
_PASSED = {
    "GET": {"/status", "/openings", "/events", "/rates"},
    "POST": {"/openings"},
    "DELETE": set[str](),
}


def listMethods(path: str) -> tuple[str, ...]:
    """
    Return the methods that are passed to the daemon for a path of its interface; none if the page
    does not need that path.
    """
    if _ADDRESS.fullmatch(path):
        return ("DELETE",)
    return tuple(method for method, paths in _PASSED.items() if path in paths)
