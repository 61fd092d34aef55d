"""Floods of datagrams from any number of made-up addresses; C{generator.c} sends them."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twisted.conch.ssh.keys import Key

from pkdoors.client.core.plan import ROUNDS
from pkdoors.knocks.seal import Statement, hintOf
from tests.lab.hosts import Host, Process
from tests.lab.sealing import makeKey, sealed

FIRST = "10.80.0.0"
"""The first of the addresses; ten million of them follow in the same network."""
MAX_SOURCES = 10_000_000
NETWORK = "10.64.0.0/10", "10.128.0.0/9"
"""The networks that hold all of them."""

SEALS = 256
"""Different sealed datagrams in one flood; from another source, a copy counts as another one."""

KINDS = ("junk", "first", "random", "full", "sealed", "seals", "known", "none", "forged", "paid")
"""
 - C{junk}: datagrams that are not knocks, to all ports
 - C{first}: plain knocks on the first port
 - C{random}: plain knocks on all ports
 - C{full}: the whole sequence of plain knocks, from one source after another
 - C{sealed}: sealed knocks that nobody signed, to all ports
 - C{seals}: the same, but each goes to every port, so the daemon has to judge it
 - C{known}: the same as C{seals}, but in the name of a key that the daemon knows, so it has to
   check the signature; the caller gives the payloads
 - C{none}: nothing, for comparison with the next two
 - C{forged}: the best that an attacker can do who watches the network: datagrams from the victims'
   addresses, with the hint of the victim's key and a signature that has to be checked; each goes
   to every port
 - C{paid}: the same, but each goes out as often as the client sends its knock
"""
FORGERIES = 80_000
"""Different forgeries in one flood, because the daemon does not check a copy again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many datagrams were sent, and in how many seconds."""

    sent: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return the datagrams a second."""
        return self.sent / self.seconds if self.seconds else 0.0


class Flood:
    """A flood that is under way."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def wait(self) -> Sent:
        """Wait until everything is sent."""
        self._process.popen.wait()
        return self._sent()

    def stop(self) -> Sent:
        """End the flood now."""
        self._process.stop()
        return self._sent()

    def _sent(self) -> Sent:
        try:
            return Sent(**json.loads(self._process.log()))
        except ValueError:
            raise AssertionError(f"the generator failed: {self._process.log()}") from None


class Generator:
    """Starts floods."""

    def __init__(self, folder: Path) -> None:
        """
        Compile the program.

        @param folder: where to put it.
        """
        self._folder = folder
        self._program = folder / "generator"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-o", str(self._program), str(source)], check=True)

    def start(
        self,
        host: Host,
        device: str,
        target: str,
        targetMac: str,
        ports: Sequence[int],
        kind: str,
        rate: int,
        count: int,
        sources: int,
        payloads: Sequence[bytes] = (),
        first: str = FIRST,
    ) -> Flood:
        """
        Start a flood.

        @param host: the host that sends, through its C{device}.
        @param targetMac: the target's hardware address, L{macOf}.
        @param kind: one of L{KINDS}.
        @param rate: datagrams a second; 0 for as many as possible.
        @param count: how many datagrams to send.
        @param sources: how many addresses they come from.
        @param payloads: send these in turn, instead of those of the kind; all of one length.
        @param first: the first address.
        """
        if not 1 <= sources <= MAX_SOURCES:
            raise ValueError(f"{sources} sources: must be from 1 to {MAX_SOURCES}")
        payloads = payloads or makePayloads(kind, ports)
        file = self._folder / f"payloads-{kind}"
        file.write_bytes(b"".join(payloads))
        chosen = ports[:1] if kind == "first" else dict.fromkeys(ports)
        chosen = [*chosen] * (ROUNDS if kind == "paid" else 1)
        mode = "full" if kind in ("full", "seals", "known", "forged", "paid") else "each"
        process = host.spawn(
            str(self._program),
            device,
            targetMac,
            target,
            first,
            str(sources),
            ",".join(map(str, chosen)),
            str(file),
            str(len(payloads[0])),
            mode,
            str(rate),
            str(count),
        )
        return Flood(process)


def makePayloads(kind: str, ports: Sequence[int]) -> list[bytes]:
    """Return the payloads of a flood, all of the same length."""
    if kind == "junk":
        return [b"\r\n\r\n junk"]
    if kind not in ("sealed", "seals"):
        return [b"knock\n"]
    return spoilSeals(makeKey(), ports)


def spoilSeals(key: Key, ports: Sequence[int]) -> list[bytes]:
    """Return sealed knocks that name a key, but whose signature is not by this key."""
    knocks = [sealed(key, tuple(ports)) for _ in range(SEALS)]
    same = [knock for knock in knocks if len(knock) == len(knocks[0])]
    return [knock[:-1] + bytes([knock[-1] ^ 1]) for knock in same]


def forgeSeals(key: Key, ports: Sequence[int], doors: Sequence[str], count: int) -> list[bytes]:
    """
    Return sealed knocks that name a key, each with a nonce of its own, by somebody who does not
    have this key: the last byte of the signature is wrong, but its numbers are in range.

    @param doors: the names of their doors, in turn; all of one length.
    """
    whole, blob = sealed(key, tuple(ports), door=doors[0]), key.public().blob()
    signature = whole[whole.index(b"\n") + 1 :]
    signature = signature[:-1] + bytes([signature[-1] ^ 1])
    stamp = int(time.time() * 1000) + 20_000  # good until long after the flood
    knocks = []
    for number in range(count):
        nonce = os.urandom(8).hex()
        door, hint = doors[number % len(doors)], hintOf(blob, nonce)
        knocks.append(Statement(door, 0, stamp, nonce, hint).encode() + signature)
    return knocks


def macOf(host: Host, device: str) -> str:
    """Return the hardware address of a host's device."""
    (link,) = json.loads(host.run("ip", "-j", "link", "show", "dev", device))
    return str(link["address"])


def routeSources(server: Host, via: str) -> None:
    """Route the made-up addresses, so the server takes them for real ones behind a router."""
    for network in NETWORK:
        server.run("ip", "route", "replace", network, "via", via)
