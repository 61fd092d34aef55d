"""What users write as HOST, and as the port to wait for. Pure."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.model.ports import parsePort, parseTcpPort
from pkdoors.util.quoting import quoteHost, shown

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BRACKETS = re.compile(r"\[([^][]*)\](.*)", re.DOTALL)
_EXAMPLES = "write host.example, 192.0.2.7, 2001:db8::7, host.example:22 or [2001:db8::7]:22"
_DEVIANT = "\u00df\u1e9e\u03c2\u200c\u200d"
"""Letters that the standards of 2003 and 2008 translate differently: two names, and two hosts."""


_CONTROLS = {*map(chr, range(32)), "\x7f"}
"""No name has one; the system's resolver stops at a null byte, so it would find another host."""
_PORTS = re.compile(r"[0-9]{3,}[,;:|\s]+[0-9]")
"""What may be a part of a sequence, in the wrong place; no error shows it."""


class Host(NamedTuple):
    """
    What a HOST means.

    @ivar name: a name in ASCII, or an address without brackets.
    @ivar port: the TCP port behind it; L{None} if there is none.
    """

    name: str
    port: int | None = None


def parseHost(text: str) -> Host:
    """
    Read a name or an address, with what other programs put around it: C{user@host}, C{host:22},
    C{[2001:db8::7]:22}, C{ssh://user@host:22}. A knock needs no user.

    @raise BadValue: it cannot be a host.
    """
    scheme = _SCHEME.fullmatch(text)
    if scheme:
        return _parseUri(text, scheme[1].lower(), scheme[2])
    return _parseAfterUser(text, text)


def parseWaitPort(value: str) -> int:
    """
    Read a port to wait for.

    An open UDP port cannot be told from a closed one: what listens there, as WireGuard, answers no
    stranger, and neither does a closed door. If nothing listens, an ICMP error may come; so what a
    client could find out is only that the port is of no use.

    @raise BadValue: it is not a TCP port.
    """
    if value.strip().lower().endswith("/udp"):
        raise BadValue(
            f"{shown(value)} is a UDP port, and nobody can see from outside whether one is open "
            "(WireGuard, for example, answers no stranger): knock without waiting, or wait for a "
            "TCP port of the same door"
        )
    return parseTcpPort(value)


def _parseUri(text: str, scheme: str, rest: str) -> Host:
    if scheme != "ssh":
        raise BadValue(f"{_quote(text)} is a URL: give only the host in it, or ssh://HOST")
    return _parseAfterUser(text, rest.removesuffix("/"))


def _parseAfterUser(text: str, rest: str) -> Host:
    user, at, host = rest.rpartition("@")
    if at and not user:
        raise BadValue(f"{_quote(text)} has nothing before the @: {_EXAMPLES}")
    if "/" in host or "\\" in host:
        raise BadValue(f"{_quote(text)} has a path in it: {_EXAMPLES}")
    if not host:
        raise BadValue(f"{_quote(text)} names no host: {_EXAMPLES}")
    brackets = _BRACKETS.fullmatch(host)
    if brackets:
        return _parseBrackets(text, brackets[1], brackets[2])
    if host.count(":") > 1 or _isIPv6(host):
        if not _isIPv6(host):
            raise BadValue(
                f"{_quote(text)} has two colons or more, but is not an IPv6 address: {_EXAMPLES}"
            )
        return Host(host)
    name, colon, port = host.partition(":")
    return Host(_toAscii(text, name), _parsePort(text, port) if colon else None)


def _parseBrackets(text: str, address: str, rest: str) -> Host:
    if not _isIPv6(address):
        raise BadValue(f"{_quote(text)} has no IPv6 address in its brackets: {_EXAMPLES}")
    if not rest:
        return Host(address)
    if not rest.startswith(":"):
        raise BadValue(f"{_quote(text)} goes on after the bracket without a colon: {_EXAMPLES}")
    return Host(address, _parsePort(text, rest[1:]))


def _parsePort(text: str, port: str) -> int:
    try:
        return parsePort(port)
    except BadValue as error:
        raise BadValue(
            f"the part of {_quote(text)} after the colon is not a port, a number from 1 to 65535"
        ) from error


def _isIPv6(text: str) -> bool:
    """Return whether a text is an IPv6 address, perhaps with a scope: C{fe80::1%eth0}."""
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _toAscii(text: str, name: str) -> str:
    """
    Return a name as the DNS has it.

    @raise BadValue: it cannot be a name.
    """
    if not name or any(letter.isspace() or letter in _CONTROLS for letter in name):
        raise BadValue(f"{_quote(text)} names no host: {_EXAMPLES}")
    if name.isascii():
        return name
    if any(letter in _DEVIANT for letter in name):
        raise BadValue(
            f"{_quote(text)} has a letter that programs translate in two ways, to two hosts: "
            "write the name in its ASCII form, which begins with xn--"
        )
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadValue(f"{_quote(text)} cannot be the name of a host: {_EXAMPLES}") from error


def _quote(text: str) -> str:
    return "the given host" if _PORTS.search(text) else quoteHost(text)
