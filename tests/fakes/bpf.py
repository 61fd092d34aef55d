"""Stands in for the machine of the kernel that runs socket filters."""

import struct
from ipaddress import ip_address


def run(program: bytes, packet: bytes, destination: str = "0.0.0.0", interface: int = 1) -> int:
    """
    Return how many bytes of a packet the kernel's machine keeps. A load beyond the packet's end
    keeps none.
    """
    raw = ip_address(destination).packed
    header = (bytes(16) if len(raw) == 4 else bytes(24)) + raw
    steps = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    while True:
        code, whereTrue, whereNot, k = steps[at]
        at += 1
        where, size = {0x20: (k, 4), 0x28: (k, 2), 0x30: (k, 1), 0x50: (x + k, 1)}.get(code, (0, 0))
        if where == 0xFFFFF008:  # SKF_AD_OFF + SKF_AD_IFINDEX
            a = interface
            continue
        source = header if where >= 0xFFF00000 else packet  # SKF_NET_OFF
        where %= 0xFFF00000
        if where + size > len(source):
            return 0
        if size:
            a = int.from_bytes(source[where : where + size])
        elif code == 0x05:
            at += k
        elif code == 0x80:
            a = len(packet)
        elif code == 0x14:
            a = (a - k) % 2**32
        elif code == 0x07:
            x = a
        elif code in (0x15, 0x25, 0x35):
            at += whereTrue if {0x15: a == k, 0x25: a > k, 0x35: a >= k}[code] else whereNot
        else:
            assert code == 0x06, code
            return int(k)
