"""Whether other networks can reach a host by its name or address. Pure."""

from ipaddress import IPv4Network, IPv6Network, ip_address

from pkdoors.model.addresses import canonicalize

_INTERNAL = {
    "corp", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost",
    "private", "test", "home.arpa",
}  # fmt: skip
"""Ends of names that the public name service does not have: of clouds and of home networks."""
_PRIVATE: dict[IPv4Network | IPv6Network, str] = {
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv6Network("fc00::/7"): "private",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("::1/128"): "loopback",
}


def explainUnreachable(host: str) -> str:
    """
    Return why clients in other networks cannot reach a host by a name or an address, as the end of
    a sentence; empty if they can, as far as a look at it shows.
    """
    try:
        address = ip_address(canonicalize(host))
    except ValueError:
        labels = host.rstrip(".").lower().split(".")
        isInternal = len(labels) < 2 or bool({labels[-1], ".".join(labels[-2:])} & _INTERNAL)
        return "is a name that only its own network knows" if isInternal else ""
    for network, kind in _PRIVATE.items():
        if address.version == network.version and address in network:
            return f"is a {kind} address"
    return ""
