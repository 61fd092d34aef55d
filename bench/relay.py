"""
Full speed: megabytes a second through C{pkdoors connect}, and through C{nc} in its place, as a
C{ProxyCommand} would use them: with pipes at their ends, over a veth. The two directions are
measured separately. Both programs take turns, so noise on a shared machine hits both. Run as
root::

    python -m bench.relay [--megabytes 400] [--tries 5] [--json FILE]
"""

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from tests.lab.hosts import BIN, SERVER4
from tests.lab.program import Program, makeNetwork

PORT = 2222
BLOCK = bytes(1 << 20)
MAX_MEGABYTES = 100_000
"""A try of this size takes a minute and a half, even on a small virtual machine."""
MAX_TRIES = 1000

PACKAGES = {"ip": "iproute2", "nc": "netcat-openbsd"}

COMMANDS = {
    "pkdoors connect": [str(BIN / "pkdoors"), "connect", SERVER4, str(PORT), "-m", "1,2,3,4,5"],
    "nc": ["nc", "-N", SERVER4, str(PORT)],
}

Popen = subprocess.Popen[bytes]
Serve = Callable[[socket.socket, int], None]
Speeds = dict[str, dict[str, list[float]]]
"""Direction -> command -> megabytes a second of each try."""


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.relay", "Speed of the relay.", PACKAGES)
    program.addNumber("megabytes", 400, MAX_MEGABYTES, "size of each try")
    program.addNumber("tries", 5, MAX_TRIES, "tries of each command")
    options = program.start()
    speeds = program.run(measure, options.megabytes, options.tries)
    for direction, found in speeds.items():
        ours, theirs = (statistics.median(found[name]) for name in COMMANDS)
        ratio = f"ratio {ours / theirs:.1f}"
        print(f"{direction}: pkdoors connect {ours:.0f} MB/s, nc {theirs:.0f}, {ratio}")
    program.save({"megabytes a second": speeds})


def measure(megabytes: int, tries: int) -> Speeds:
    """Send through each command in each direction."""
    speeds: Speeds = {name: {command: [] for command in COMMANDS} for name in DIRECTIONS}
    with makeNetwork() as network:
        listening = network.server.serve(PORT)
        for _ in range(tries):
            for direction, (serve, use) in DIRECTIONS.items():
                for name, command in COMMANDS.items():
                    serving = Thread(target=accept, args=(listening, serve, megabytes))
                    serving.start()
                    with network.client.inside():
                        process = subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0)
                    seconds = use(process, megabytes)
                    process.wait()
                    serving.join()
                    speeds[direction][name].append(megabytes * len(BLOCK) / 1e6 / seconds)
    return speeds


def accept(listening: socket.socket, serve: Serve, megabytes: int) -> None:
    """Serve the next connection."""
    connection, _ = listening.accept()
    with connection, suppress(BrokenPipeError):
        serve(connection, megabytes)


def serveData(connection: socket.socket, megabytes: int) -> None:
    """Send everything from the server, once the client asks for it."""
    connection.recv(1)
    for _ in range(megabytes):
        connection.sendall(BLOCK)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def takeData(connection: socket.socket, megabytes: int) -> None:
    """Receive everything on the server; send a byte before the first and after the last block."""
    connection.sendall(b"?")
    left, buffer = megabytes * len(BLOCK), bytearray(len(BLOCK))
    while left:
        left -= connection.recv_into(buffer)
    connection.sendall(b"!")


def timeReceiving(process: Popen, megabytes: int) -> float:
    """Return the seconds in which everything arrives at the client."""
    assert process.stdin and process.stdout
    time.sleep(1)  # do not measure how fast the relay starts
    process.stdin.write(b"!")
    began, left, buffer = time.monotonic(), megabytes * len(BLOCK), bytearray(len(BLOCK))
    while left:
        left -= process.stdout.readinto(buffer) or sys.exit("the relay ended")  # type: ignore
    seconds = time.monotonic() - began
    process.stdin.close()
    return seconds


def timeSending(process: Popen, megabytes: int) -> float:
    """Return the seconds until the server has everything."""
    assert process.stdin and process.stdout
    process.stdout.read(1)
    began = time.monotonic()
    for _ in range(megabytes):
        left = memoryview(BLOCK)
        while left:
            left = left[process.stdin.write(left) :]
    process.stdout.read(1)
    seconds = time.monotonic() - began
    process.stdin.close()
    return seconds


DIRECTIONS: dict[str, tuple[Serve, Callable[[Popen, int], float]]] = {
    "from the server": (serveData, timeReceiving),
    "to the server": (takeData, timeSending),
}
"""Direction -> what the server does, and what the client does."""


if __name__ == "__main__":
    main()
