"""
A bad line: a relay that loses, doubles and delays datagrams, so that they overtake each other. The
kernels of many machines lack netem, which would do the same.

``python -m tests.lab.badline TARGET PORTS SEED`` listens on 127.0.0.1 and passes on to TARGET.
"""

import asyncio
import random
import sys
from functools import partial

LOSS = 0.05
"""The part that is lost."""
DOUBLES = 0.05
"""The part that comes twice, each copy with its own delay."""
DELAY, JITTER = 0.030, 0.020
"""Seconds that it takes, and by how much that varies either way."""


class Relay(asyncio.DatagramProtocol):
    """One port of it."""

    def __init__(self, line: "Line", port: int) -> None:
        self._line = line
        self._port = port

    def datagram_received(self, data: bytes, address: object) -> None:
        """Pass it on, or not."""
        self._line.carry(data, self._port)


class Line(asyncio.DatagramProtocol):
    """The way to the target."""

    def __init__(self, target: str, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket to send from."""
        self._transport = transport

    def carry(self, data: bytes, port: int) -> None:
        """Take a datagram."""
        loop = asyncio.get_running_loop()
        copies = 2 if self._random.random() < DOUBLES else 1
        for _ in range(copies):
            delay = self._random.uniform(DELAY - JITTER, DELAY + JITTER)
            if self._random.random() >= LOSS:
                loop.call_later(delay, self._transport.sendto, data, (self._target, port))  # type: ignore[attr-defined]


async def main(target: str, ports: list[int], seed: int) -> None:
    """Relay for ever."""
    loop = asyncio.get_running_loop()
    family = "::" if ":" in target else "0.0.0.0"
    _, line = await loop.create_datagram_endpoint(
        lambda: Line(target, seed), local_addr=(family, 0)
    )
    for port in set(ports):
        await loop.create_datagram_endpoint(
            partial(Relay, line, port), local_addr=("127.0.0.1", port)
        )
    print("relaying", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    target, ports, seed = sys.argv[1:]
    asyncio.run(main(target, [int(port) for port in ports.split(",")], int(seed)))
