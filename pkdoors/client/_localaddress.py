"""Finds the address that this host has towards another host."""

import socket

_ANY_PORT = 9  # "discard"; nothing is sent to it


def findLocalAddress(address: str) -> str:
    """
    Return the address that datagrams to another address leave from. Nothing is sent.

    @raise OSError: there is no route to it.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, _ANY_PORT))
        return str(probe.getsockname()[0])
