"""
Refuses what a browser sends on behalf of somebody else's page. The socket is often forwarded to a
TCP port, C{ssh -L 8080:/run/pkdoors/admin.sock}, and any page can send requests there.
"""

import re

from twisted.web.http_headers import Headers

_HOST = re.compile(rb"(?:pkdoors|localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""Any other may be a name of an attacker's that has been pointed at this machine (DNS rebinding):
for the browser his page is then ours. Nobody else can have these, but for the first, which somebody
may give out in a network of his own; no page is asked for by it."""

_NO_PAGE = b"pkdoors"

_OWN_SITES = {b"same-origin", b"none"}
"""Values of C{Sec-Fetch-Site}: our own page, or the user typed the address."""

_FORM_TYPES = (b"text/plain", b"multipart/form-data")
"""Bodies that a page can send anywhere without asking first, and that C{curl -d} does not send."""

SAFE_HEADERS = (
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
)
"""With every answer: no other page may show, load, guess the type of, or keep it."""


def browserRefusal(headers: Headers, version: bytes) -> tuple[int, str] | None:
    """
    Decide whether a request may come from somebody else's page.

    @param version: of HTTP, C{b"HTTP/1.1"}. A browser's requests always have a C{Host}.
    @return: status and sentence of the refusal, or L{None}.
    """
    hosts = headers.getRawHeaders(b"host", [])
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        return 400, "a request needs one Host header: send 'Host: pkdoors'"
    if hosts and not _HOST.fullmatch(hosts[0]):
        return 403, f"{_shown(hosts[0])} is not this host: ask http://pkdoors or http://localhost"
    names = [host.lower() for host in hosts]
    own = {b"http://" + name for name in names if not name.startswith(_NO_PAGE)}
    for origin in headers.getRawHeaders(b"origin", []):
        if origin.lower() not in own:
            return 403, f"requests of the page {_shown(origin)} are refused: use pkdoors or curl"
    for site in headers.getRawHeaders(b"sec-fetch-site", []):
        if site.lower() not in _OWN_SITES:
            return 403, "requests of other pages are refused: use pkdoors or curl"
    for kind in headers.getRawHeaders(b"content-type", []):
        if kind.lower().lstrip().startswith(_FORM_TYPES):
            return 415, f"a body of type {_shown(kind)} is not read: send application/json"
    return None


def _shown(value: bytes) -> str:
    return repr(value.decode("ascii", "replace")[:100])
