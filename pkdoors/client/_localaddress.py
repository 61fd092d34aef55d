"""The address that this host has towards another."""

import socket

_ANY_PORT = 9  # "discard"; nothing is sent to it


def localAddress(address: str) -> str:
    """
    The address that datagrams to another one leave from. Nothing is sent.

    @raise OSError: there is no way to it.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, _ANY_PORT))
        return str(probe.getsockname()[0])
