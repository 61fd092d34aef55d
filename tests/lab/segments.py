"""TCP segments that no kernel would send, in any state, with any flags."""

import socket
import struct
import time
from collections.abc import Iterable

from tests.lab.conntrack import Flow
from tests.lab.hosts import Host, eventually

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
BATCH = 100
"""Segments after which the receiver gets a moment: its queue holds a thousand."""


def segment(flow: Flow, flags: int) -> bytes:
    """A segment without data, with a checksum that is right, so that conntrack looks at it."""
    family = socket.AF_INET6 if ":" in flow.source else socket.AF_INET
    ends = socket.inet_pton(family, flow.source) + socket.inet_pton(family, flow.target)
    head = struct.pack("!HHIIBB", flow.sourcePort, flow.port, 1000, 2000, 5 << 4, flags)
    pseudo = ends + struct.pack("!HH", socket.IPPROTO_TCP, 20)
    words = struct.unpack(
        f"!{(len(pseudo) + 20) // 2}H", pseudo + head + struct.pack("!HHH", 64240, 0, 0)
    )
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return head + struct.pack("!HHH", 64240, ~total & 0xFFFF, 0)


def send(host: Host, segments: Iterable[tuple[Flow, int]]) -> int:
    """
    Send a segment with these flags on each flow.

    @return: how many.
    """
    senders: dict[str, socket.socket] = {}
    sent = 0
    try:
        for flow, flags in segments:
            if flow.source not in senders:
                senders[flow.source] = _sender(host, flow.source)
            senders[flow.source].sendto(segment(flow, flags), (flow.target, 0))
            sent += 1
            if sent % BATCH == 0:
                time.sleep(0.001)
    finally:
        for each in senders.values():
            each.close()
    return sent


def _sender(host: Host, source: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with host.inside():
        sender = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)

    def isBound() -> bool:
        try:
            sender.bind((source, 0))
        except OSError:  # an address that was added just now
            return False
        return True

    if not eventually(isBound):
        raise AssertionError(f"{host.name} has no address {source}")
    return sender
