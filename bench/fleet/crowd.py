"""
Hosts that are only there for the engine: each has its user and its connection, follows the streams
of all hosts, and asks for more as soon as it has an answer, as C{pkdoors-fleet} does.

C{python -m bench.fleet.crowd publish|follow ADDRESS CA HOSTS CROWD SECONDS RATE KEY}: of all hosts,
act for those in CROWD. One process publishes RATE knocks a second in their names, sealed by the key
in a file, for addresses that nobody has used; another one follows. Each writes the seconds of
processor time that it took.
"""

import sys
import time
from collections.abc import Mapping
from ipaddress import IPv4Network
from itertools import cycle
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from twisted.conch.ssh.keys import Key

from tests.lab.case import SEQUENCE
from tests.lab.fleet.engine import PORT
from tests.lab.fleet.fleet import FLEET, passwordOf
from tests.lab.fleet.resp import RespClient, packWord
from tests.lab.sealing import sealed

SOURCES = IPv4Network("10.80.0.0/13")
BLOCK = 5000
"""Milliseconds for which the engine waits, as for C{pkdoors-fleet}."""


def nameOf(number: int) -> str:
    """Return the name of a host of the crowd."""
    return f"host{number}"


class Follower:
    """One host that reads the streams of all."""

    def __init__(self, client: RespClient, streams: list[str]) -> None:
        self._client = client
        head = ("XREAD", "COUNT", "100", "BLOCK", str(BLOCK), "STREAMS", *streams)
        self._head = b"*%d\r\n" % (len(head) + len(streams)) + b"".join(map(packWord, head))
        self._positions = dict.fromkeys((name.encode() for name in streams), packWord("$"))
        self.entries = 0
        self.ask()

    def ask(self) -> None:
        """Ask for more. Of the words, which are the same for the most part, each is packed once."""
        self._client.send(self._head + b"".join(self._positions.values()))

    def take(self) -> None:
        """Take an answer, and ask for more."""
        for stream, entries in self._client.answer() or ():
            self._positions[stream] = packWord(entries[-1][0])
            self.entries += len(entries)
        self.ask()


def follow(clients: Mapping[str, RespClient], streams: list[str], seconds: float) -> int:
    """Read the streams as each of the hosts; return how many entries came."""
    selector = DefaultSelector()
    followers = [Follower(client, streams) for client in clients.values()]
    for follower, client in zip(followers, clients.values(), strict=True):
        selector.register(client, EVENT_READ, follower)
    _begin()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for found, _ in selector.select(left):
            found.data.take()
    return sum(follower.entries for follower in followers)


def publish(clients: Mapping[str, RespClient], key: Key, rate: float, seconds: float) -> int:
    """Publish a knock as each host in turn, at a rate; return how many it were."""
    turns = zip(SOURCES.hosts(), cycle(clients.items()), strict=False)
    _begin()
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        address, (name, client) = next(turns)
        seal = sealed(key, SEQUENCE, door="ssh", bind=str(address))
        words = ("s", seal, "a", str(address), "t", str(time.time()))
        client.ask("XADD", f"pk:{FLEET}:log:{name}", "*", *words)
    return int(rate * seconds)


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main(
    role: str, address: str, ca: str, names: str, crowd: str, seconds: str, rate: str, key: str
) -> None:
    """Act for the crowd for so many seconds."""
    clients = {
        name: RespClient(address, PORT, name, passwordOf(name), Path(ca))
        for name in crowd.split(",")
    }
    if role == "publish":
        done = publish(clients, Key.fromFile(key), float(rate), float(seconds))
    else:
        streams = [f"pk:{FLEET}:log:{name}" for name in names.split(",")]
        done = follow(clients, streams, float(seconds))
    print(f"{time.process_time()} {done}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
