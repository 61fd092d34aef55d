"""Floods of datagrams from any number of made-up addresses; C{generator.c} sends them."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twisted.conch.ssh.keys import Key

from pkdoors.client._plan import ROUNDS
from pkdoors.knocks.seal import Statement, hintOf
from tests.lab.hosts import Host, Process
from tests.lab.sealing import makeKey, sealed

FIRST = "10.80.0.0"
"""The first of the addresses; there are ten million of them behind it in the same network."""
MOST_SOURCES = 10_000_000
NETWORK = "10.64.0.0/10", "10.128.0.0/9"
"""Where they are all from."""

SEALS = 256
"""Different sealed datagrams in one flood. Each is another one from another source."""

KINDS = ("junk", "first", "random", "full", "sealed", "seals", "known", "none", "forged", "paid")
"""
 - C{junk}: datagrams that are no knocks, to all ports
 - C{first}: plain knocks on the first port
 - C{random}: plain knocks on all ports
 - C{full}: the whole sequence, plainly, one source after another
 - C{sealed}: sealed knocks that nobody signed, to all ports
 - C{seals}: the same, each to all ports, so that it has to be judged
 - C{known}: so, too, but in the name of a key that the daemon knows, so that its signature has to
   be checked; what they are has to be said
 - C{none}: nothing, for comparison with the next two
 - C{forged}: the best that an attacker can do who watches the network: in the victims' addresses,
   with the hint of the victim's key, and a signature that has to be checked; each to all ports
 - C{paid}: so, too, but each as often as the client sends its knock
"""
FORGERIES = 80_000
"""Different ones in one flood: a copy is not checked again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, and in which time."""

    sent: int
    seconds: float

    @property
    def rate(self) -> float:
        """Datagrams a second."""
        return self.sent / self.seconds if self.seconds else 0.0


class Flood:
    """One that is under way."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def isOver(self) -> bool:
        """Whether all is sent."""
        return self._process.popen.poll() is not None

    def wait(self) -> Sent:
        """Wait until all is sent."""
        self._process.popen.wait()
        return self._sent()

    def stop(self) -> Sent:
        """End it now."""
        self._process.stop()
        return self._sent()

    def _sent(self) -> Sent:
        try:
            return Sent(**json.loads(self._process.log()))
        except ValueError:
            raise AssertionError(f"the generator failed: {self._process.log()}") from None


class Generator:
    """
    @param folder: where the program is made, with the C compiler.
    """

    def __init__(self, folder: Path) -> None:
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
        Begin a flood.

        @param host: from where, through its C{device}.
        @param targetMac: the target's hardware address, L{macOf}.
        @param kind: one of L{KINDS}.
        @param rate: datagrams a second; 0 for as many as possible.
        @param count: datagrams in all.
        @param sources: different addresses that they come from.
        @param payloads: what is sent, in turn, instead of what the kind says; of one length.
        @param first: the first of the addresses.
        """
        if not 1 <= sources <= MOST_SOURCES:
            raise ValueError(f"{sources} sources: 1 to {MOST_SOURCES} there can be")
        payloads = payloads or payloadsOf(kind, ports)
        file = self._folder / f"payloads-{kind}"
        file.write_bytes(b"".join(payloads))
        chosen = ports[:1] if kind == "first" else dict.fromkeys(ports)
        chosen = [*chosen] * (ROUNDS if kind == "paid" else 1)
        mode = "full" if kind in ("full", "seals", "known", "forged", "paid") else "each"
        process = host.spawn(
            *(str(self._program), device, targetMac, target, first, str(sources)),
            *(",".join(map(str, chosen)), str(file), str(len(payloads[0])), mode),
            *(str(rate), str(count)),
        )
        return Flood(process)


def payloadsOf(kind: str, ports: Sequence[int]) -> list[bytes]:
    """What a flood consists of: payloads of the same length."""
    if kind == "junk":
        return [b"\r\n\r\n junk"]
    if kind not in ("sealed", "seals"):
        return [b"knock\n"]
    return badSeals(makeKey(), ports)


def badSeals(key: Key, ports: Sequence[int]) -> list[bytes]:
    """Sealed knocks of a key that is known to everybody, by somebody who does not have it."""
    made = [sealed(key, tuple(ports)) for _ in range(SEALS)]
    return [each[:-1] + bytes([each[-1] ^ 1]) for each in made if len(each) == len(made[0])]


def forgeries(key: Key, ports: Sequence[int], doors: Sequence[str], count: int) -> list[bytes]:
    """
    Sealed knocks of a key, each with a nonce of its own, by somebody who does not have it: the last
    byte of the signature, which is in range, is another one.

    @param doors: for which they are, in turn; names of one length.
    """
    whole, blob = sealed(key, tuple(ports), door=doors[0]), key.public().blob()
    signature = whole[whole.index(b"\n") + 1 :]
    signature = signature[:-1] + bytes([signature[-1] ^ 1])
    stamp = int(time.time() * 1000) + 20_000  # good until long after the flood
    made = []
    for number in range(count):
        nonce = os.urandom(8).hex()
        door, hint = doors[number % len(doors)], hintOf(blob, nonce)
        made.append(Statement(door, 0, stamp, nonce, hint).encode() + signature)
    return made


def macOf(host: Host, device: str) -> str:
    """The hardware address of a host's device."""
    (link,) = json.loads(host.run("ip", "-j", "link", "show", "dev", device))
    return str(link["address"])


def expect(server: Host, via: str) -> None:
    """Have the server take the made-up addresses for real ones, which are behind a router."""
    for network in NETWORK:
        server.run("ip", "route", "replace", network, "via", via)
