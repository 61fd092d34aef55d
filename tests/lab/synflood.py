"""Floods of SYNs from a stranger, and the answers that they get; C{synflood.c} sends them."""

import atexit
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from tests.lab.case import PORT
from tests.lab.hosts import PATIENCE, SERVER4, SERVER6, STRANGER4, STRANGER6, Host, Network

RATE = 30_000
"""SYNs a second. At a few hundred nobody hits a window of microseconds."""


@dataclass(frozen=True, slots=True)
class Answers:
    """
    What came of a flood.

    @ivar sent: SYNs.
    @ivar answered: SYN/ACKs that the stranger got.
    @ivar lost: answers that came too fast to be looked at.
    """

    sent: int
    answered: int
    lost: int


class SynFlood:
    """
    One from the stranger to a port of the server, over IPv4 and IPv6 in turn, that is under way.
    """

    def __init__(self, network: Network, port: int = PORT, rate: int = RATE) -> None:
        # The server's end of its pair with the stranger is named after the stranger.
        server, stranger = network.server, network.stranger
        device = stranger.name.rpartition("-")[2]
        for address in (STRANGER4, STRANGER6):  # or the first answers would wait for ARP
            mac = _macOf(stranger, "server")
            server.run("ip", "neighbor", "replace", address, "lladdr", mac, "dev", device)
        self._process = stranger.spawn(
            str(copy(_program(), stranger.folder)),
            "server",
            _macOf(server, device),
            str(port),
            str(rate),
            STRANGER4,
            SERVER4,
            STRANGER6,
            SERVER6,
        )
        if not self._process.says("sending"):
            raise AssertionError(f"the flood did not begin: {self._process.log()}")

    def stop(self) -> Answers:
        """End it."""
        self._process.popen.terminate()
        self._process.popen.wait(PATIENCE)
        return Answers(**json.loads(self._process.log().splitlines()[-1]))


def _macOf(host: Host, device: str) -> str:
    (link,) = json.loads(host.run("ip", "-j", "link", "show", "dev", device))
    return str(link["address"])


@cache
def _program() -> Path:
    """Compile the sender, once for all tests."""
    folder = TemporaryDirectory(prefix="pkdoors-")
    atexit.register(folder.cleanup)
    source, program = Path(__file__).with_suffix(".c"), Path(folder.name) / "synflood"
    options = ("-O2", "-Wall", "-Wextra", "-fno-strict-aliasing", "-o", str(program))
    subprocess.run(["cc", *options, str(source)], check=True)
    return program
