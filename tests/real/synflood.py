"""Floods of SYNs from a stranger, and the answers that they get; C{synflood.c} sends them."""

import atexit
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.real.case import PORT
from tests.real.hosts import PATIENCE, SERVER4, SERVER6, STRANGER4, STRANGER6, Network

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
        # The server's end of its pair with the stranger, which is named after the stranger.
        (link,) = json.loads(
            network.server.run("ip", "-j", "link", "show", "dev", _endOf(network.stranger.name))
        )
        self._process = network.stranger.spawn(
            *(_program(), "server", link["address"], str(port), str(rate)),
            *(STRANGER4, SERVER4, STRANGER6, SERVER6),
        )
        if not self._process.says("sending"):
            raise AssertionError(f"the flood did not begin: {self._process.log()}")

    def stop(self) -> Answers:
        """End it."""
        self._process.popen.terminate()
        self._process.popen.wait(PATIENCE)
        return Answers(**json.loads(self._process.log().splitlines()[-1]))


def _endOf(name: str) -> str:
    return name.rpartition("-")[2]


@cache
def _program() -> str:
    """The sender, made once for all tests."""
    folder = TemporaryDirectory(prefix="pkdoors-")
    atexit.register(folder.cleanup)
    source, program = Path(__file__).with_suffix(".c"), Path(folder.name) / "synflood"
    options = ("-O2", "-Wall", "-Wextra", "-fno-strict-aliasing", "-o", str(program))
    subprocess.run(["cc", *options, str(source)], check=True)
    return str(program)
