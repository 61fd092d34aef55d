"""
Refuses what a browser sends for somebody else's page. Operators forward the admin socket to a TCP
port (C{ssh -L 8080:/run/pkdoors/admin.sock}), and any page can send requests there.
"""

import re
from collections.abc import Collection

from twisted.web.http_headers import Headers

_HOST = re.compile(rb"(?:pkdoors|localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""An attacker may point any other name at this machine (DNS rebinding), and the browser then takes
our answers for his page's. Nobody else can have these names, except the first, which a network's
own DNS may hand out; no page is served under it."""

_NO_PAGE = b"pkdoors"

_OWN_SITES = {b"same-origin", b"none"}
"""Values of C{Sec-Fetch-Site}: our own page, or an address that the user typed."""

_FORM_TYPES = (b"text/plain", b"multipart/form-data")
"""Bodies that a page can send anywhere without asking first, and that C{curl -d} does not send."""


def refuseBrowser(headers: Headers, version: bytes) -> tuple[int, str] | None:
    """
    Refuse a request that may come from somebody else's page.

    @param version: the version of HTTP, C{b"HTTP/1.1"}. A browser always sends a C{Host}.
    @return: the status and sentence of the refusal, or L{None}.
    """
    hosts = headers.getRawHeaders(b"host", [])
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        return 400, "a request needs one Host header: send 'Host: pkdoors'"
    if hosts and not _HOST.fullmatch(hosts[0]):
        return 403, f"{quote(hosts[0])} is not this host: use http://pkdoors or http://localhost"
    names = [host.lower() for host in hosts]
    own = {b"http://" + name for name in names if not name.startswith(_NO_PAGE)}
    if refusal := refuseOtherPages(headers, own, "use pkdoors or curl"):
        return refusal
    for contentType in headers.getRawHeaders(b"content-type", []):
        if contentType.lower().lstrip().startswith(_FORM_TYPES):
            refused = quote(contentType)
            return 415, f"a body of type {refused} is not accepted: send application/json"
    return None


def refuseOtherPages(
    headers: Headers, own: Collection[bytes], advice: str
) -> tuple[int, str] | None:
    """
    Refuse a request of another page, as the browser names it.

    @param own: the origins of our own page, in small letters.
    @param advice: what to do instead.
    @return: as L{refuseBrowser}.
    """
    for origin in headers.getRawHeaders(b"origin", []):
        if origin.lower() not in own:
            return 403, f"requests from the page {quote(origin)} are refused: {advice}"
    for site in headers.getRawHeaders(b"sec-fetch-site", []):
        if site.lower() not in _OWN_SITES:
            return 403, f"requests from other pages are refused: {advice}"
    return None


def quote(value: bytes) -> str:
    """Return the value of a header for a message: briefly, and in one line."""
    return repr(value.decode("ascii", "replace")[:100])
