"""Lists of addresses as C{from=} of an authorized key has them; C{ssh_config(5)}. Pure."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pkdoors.errors import BadValue

_WILD = re.compile(r"[0-9a-f.:*?]+")


@dataclass(frozen=True, slots=True)
class AddressPatterns:
    """
    Some match, and none of those with C{!} in front does.

    @ivar allowed: networks, and patterns with C{*} and C{?}.
    @ivar denied: those that had C{!} in front.
    """

    allowed: tuple[IPv4Network | IPv6Network | str, ...]
    denied: tuple[IPv4Network | IPv6Network | str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "AddressPatterns":
        """
        Read C{10.0.0.0/8,!10.0.0.7,2001:db8::*}.

        @raise BadValue: an item is no address. Names of hosts are none: looking them up takes a
            name server's word for who may come in.
        """
        items = [item.strip().lower() for item in text.split(",")]
        allowed = tuple(_pattern(item) for item in items if not item.startswith("!"))
        denied = tuple(_pattern(item[1:]) for item in items if item.startswith("!"))
        if not allowed:
            raise BadValue("it allows no address: name those that are allowed, too")
        return cls(allowed, denied)

    def match(self, source: str) -> bool:
        """Whether an address is one of them."""
        return any(_matches(each, source) for each in self.allowed) and not any(
            _matches(each, source) for each in self.denied
        )


def _pattern(item: str) -> IPv4Network | IPv6Network | str:
    try:
        return ip_network(item, strict=False)
    except ValueError:
        if not _WILD.fullmatch(item) or not set(item) & set("*?"):
            raise BadValue(
                f"{item!r} is no address: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 and 192.0.2.* are "
                "allowed, names of hosts are not"
            ) from None
        return item


def _matches(pattern: IPv4Network | IPv6Network | str, source: str) -> bool:
    if isinstance(pattern, str):
        return fnmatchcase(source, pattern)
    return ip_address(source) in pattern
