"""The routers through which this host reaches everything else, as the kernel lists them."""

from ipaddress import IPv6Address
from pathlib import Path

from pkdoors.host.procnet import parseAddress

ROUTES = Path("/proc/self/net/route"), Path("/proc/self/net/ipv6_route")

MOST = 1 << 16
"""Bytes of each list that are read: a router in the backbone has a million routes, and the default
ones come first."""

_UP_GATEWAY = 0x0003  # RTF_UP and RTF_GATEWAY of linux/route.h


def findGateways() -> set[str]:
    """Return the addresses of the gateways of all default routes; none if that cannot be read."""
    found = set()
    for path, parse in zip(ROUTES, (_parse4, _parse6), strict=True):
        try:
            with path.open() as file:
                listing = file.read(MOST)
        except OSError:
            continue
        found |= {address for line in listing.splitlines() if (address := parse(line))}
    return found


def _parse4(line: str) -> str:
    fields = line.split()
    if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
        return ""
    flags = int(fields[3], 16)
    return str(parseAddress(fields[2])) if flags & _UP_GATEWAY == _UP_GATEWAY else ""


def _parse6(line: str) -> str:
    fields = line.split()
    if len(fields) < 9 or fields[0] != "0" * 32 or fields[1] != "00":
        return ""
    if int(fields[8], 16) & _UP_GATEWAY != _UP_GATEWAY:
        return ""
    # Unlike in the lists of sockets, the bytes are in order.
    return str(IPv6Address(bytes.fromhex(fields[4])))
