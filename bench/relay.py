"""
Full speed: megabytes a second through C{pkdoors connect}, and through C{nc} in its place, as a
C{ProxyCommand} would use them: with pipes at their ends, over a veth. Each way by itself, and by
turns, so that noise on a shared machine hits both. Run as root::

    python -m bench.relay [--megabytes 400] [--tries 5]
"""

import argparse
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from bench.common import lacking
from tests.lab.hosts import BIN, SERVER4, Network

PORT = 2222
BLOCK = bytes(1 << 20)
MAX_MEGABYTES = 100_000
"""A minute and a half of each try, on a machine as slow as a small virtual one."""

PACKAGES = {"ip": "iproute2", "nc": "netcat-openbsd"}
"""Program -> Debian's package of it."""

COMMANDS = {
    "pkdoors connect": [str(BIN / "pkdoors"), "connect", SERVER4, str(PORT), "-m", "1,2,3,4,5"],
    "nc": ["nc", "-N", SERVER4, str(PORT)],
}

Popen = subprocess.Popen[bytes]
Serve = Callable[[socket.socket, int], None]


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.relay: {lack}")
    try:
        with TemporaryDirectory() as folder, Network(Path(folder)) as network:
            speeds = run(network, options.megabytes, options.tries)
    except KeyboardInterrupt:
        sys.exit("bench.relay: interrupted, and cleaned up")
    for way in WAYS:
        ours, theirs = (statistics.median(speeds[name, way]) for name in COMMANDS)
        print(f"{way}: pkdoors connect {ours:.0f} MB/s, nc {theirs:.0f}, ratio {ours / theirs:.1f}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.relay", description="Speed of the relay.")
    parser.add_argument("--megabytes", type=int, default=400, help="of each try (400)")
    parser.add_argument("--tries", type=int, default=5, help="how many of each (5)")
    options = parser.parse_args()
    if not (1 <= options.megabytes <= MAX_MEGABYTES and 1 <= options.tries <= 1000):
        parser.error(f"up to {MAX_MEGABYTES} --megabytes and 1000 --tries are allowed")
    return options


def run(network: Network, megabytes: int, tries: int) -> dict[tuple[str, str], list[float]]:
    """Megabytes a second, of each command each way."""
    speeds: dict[tuple[str, str], list[float]] = {}
    listening = network.server.serve(PORT)
    for _ in range(tries):
        for way, (serve, use) in WAYS.items():
            for name, command in COMMANDS.items():
                serving = Thread(target=accept, args=(listening, serve, megabytes))
                serving.start()
                with network.client.inside():
                    process = subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0)
                seconds = use(process, megabytes)
                process.wait()
                serving.join()
                speeds.setdefault((name, way), []).append(megabytes * len(BLOCK) / 1e6 / seconds)
    return speeds


def accept(listening: socket.socket, serve: Serve, megabytes: int) -> None:
    """Serve the next connection."""
    connection, _ = listening.accept()
    with connection, suppress(BrokenPipeError):
        serve(connection, megabytes)


def sendAll(connection: socket.socket, megabytes: int) -> None:
    """The server, sending, when it is told to."""
    connection.recv(1)
    for _ in range(megabytes):
        connection.sendall(BLOCK)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def takeAll(connection: socket.socket, megabytes: int) -> None:
    """The server, receiving: it says when it begins, and when it has all."""
    connection.sendall(b"?")
    left, buffer = megabytes * len(BLOCK), bytearray(len(BLOCK))
    while left:
        left -= connection.recv_into(buffer)
    connection.sendall(b"!")


def receive(process: Popen, megabytes: int) -> float:
    """The seconds in which all arrives."""
    assert process.stdin and process.stdout
    began, left, buffer = start(process), megabytes * len(BLOCK), bytearray(len(BLOCK))
    while left:
        left -= process.stdout.readinto(buffer) or sys.exit("the relay ended")  # type: ignore
    seconds = time.monotonic() - began
    process.stdin.close()
    return seconds


def start(process: Popen) -> float:
    """Have the server send, when the relay stands; when that was."""
    assert process.stdin
    time.sleep(1)  # what is measured is not how fast it starts
    process.stdin.write(b"!")
    return time.monotonic()


def send(process: Popen, megabytes: int) -> float:
    """The seconds until the server has all."""
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


WAYS: dict[str, tuple[Serve, Callable[[Popen, int], float]]] = {
    "from the server": (sendAll, receive),
    "to the server": (takeAll, send),
}
"""What is measured -> what the server does, and what the client."""


if __name__ == "__main__":
    main()
