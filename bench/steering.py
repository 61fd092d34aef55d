"""
The operator's work: milliseconds to see and to close a thousand openings, and to reload under them.

The benchmark asks the daemon, which uses nftables, over its admin socket, as the commands of
pkdoors do. C{open} adds one opening to those that exist. C{status} shows all of them. C{reload}
takes a file that allows another time on each round, and puts the openings back in the same step.
C{close} closes all of them. The start of a command of pkdoors is not included. At the end there are
as many openings again, and another process asks for all of them, again and again, over as many
connections as the daemon accepts (C{tests/lab/traffic/pipelining.py}). The benchmark then measures
how long a knock takes to open, and how long the operator waits for a status and for a door to open
and close. Run as root::

    python -m bench.steering [--rounds 20] [--openings 1000] [--tries 100] [--json FILE]
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from bench.common import PROTECTED, SEQUENCE, Times, report
from pkdoors.adminclient.client import AdminClient
from pkdoors.model.doors import MAX_OF_DOOR
from tests.lab.hosts import Daemon, Network, Process
from tests.lab.program import Program, makeNetwork
from tests.lab.traffic.prober import Prober

MAX_ROUNDS = 1000
"""Each takes some seconds, most of them for the openings."""

LOOKS = 5
"""How many times a round asks for the status, and reloads."""

FIRST = IPv4Address("10.7.0.1")

ANOTHER = "10.6.0.1"
"""An address without an opening."""

MAX_TRIES = 1000
"""Knocks; a failed one takes a second."""

PACKAGES = {"ip": "iproute2", "nft": "nftables"}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.steering", "The operator's work.", PACKAGES)
    program.addNumber("rounds", 20, MAX_ROUNDS, "rounds")
    program.addNumber("openings", 1000, MAX_OF_DOOR, "openings in each round")
    program.addNumber("tries", 100, MAX_TRIES, "knocks while many ask")
    options = program.start()
    # Each try opens the door once in quiet and once under load, and the operator once.
    if options.openings > (most := MAX_OF_DOOR - 2 * options.tries - 1):
        program.parser.error(f"--openings {options.openings}: at most {most}, with these tries")
    times = program.run(measure, options.rounds, options.openings, options.tries)
    report(program, times, openings=options.openings)


def measure(rounds: int, openings: int, tries: int) -> Times:
    """Make the hosts, start a daemon, and do the operator's work."""
    with makeNetwork() as network:
        file, path = network.folder / "pkdoors.toml", f"{network.folder}/admin.sock"
        writeFile(file, path, hours=0)
        daemon = Daemon(network.server, "-c", str(file), "--admin", path)
        if not daemon.says("AdminSite starting"):
            raise AssertionError(f"the daemon does not listen for operators: {daemon.log()}")
        work = Work(AdminClient(path), openings)
        for number in range(rounds):
            work.doRound(lambda hours: writeFile(file, path, hours), LOOKS * number)
        network.server.serve(PROTECTED)
        with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
            work.doUnderLoad(network, prober, tries)
        return work.times


def writeFile(file: Path, path: str, hours: int) -> None:
    """Replace the configuration file in one step."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text(
        f'firewall = "nftables"\nadmin = "{path}"\n[doors.ssh]\nsequence = {list(SEQUENCE)}\n'
        f'ports = [{PROTECTED}]\nopen_for = "1h"\nmax_open_for = "{100 + hours}h"\n'
    )
    os.replace(new, file)


class Work:
    """
    The operator's work with a number of openings.

    @ivar times: how long each kind of work took.
    """

    def __init__(self, client: AdminClient, openings: int) -> None:
        self._client = client
        self._sources = [str(FIRST + number) for number in range(openings)]
        self.times: Times = {}

    def doRound(self, change: Callable[[int], None], hours: int) -> None:
        """
        Open, look, reload and close.

        @param change: writes the file with so many hours more than the first one allows.
        """
        for source in self._sources:
            self._time("open", partial(self._client.open, source))
        for look in range(LOOKS):
            self._expect(self._time("status", self._client.status), "openings")
            change(1 + hours + look)
            self._expect(self._time("reload", self._client.reload), "changes", 1)
        self._expect(self._time("close", self._client.close), "closed")

    def doUnderLoad(self, network: Network, prober: Prober, tries: int) -> None:
        """Knock, open and close while many ask; knock without them before."""
        for source in self._sources:
            self._client.open(source)
        self.times["knock"] = [prober.knock() for _ in range(tries)]
        command = [sys.executable, "-m", "tests.lab.traffic.pipelining", self._client.path]
        process = Process(command, network.folder / "pipelining", {})
        try:
            if not process.says("asking"):
                raise AssertionError(f"nobody asks: {process.log()}")
            self.times["knock, many ask"] = [prober.knock() for _ in range(tries)]
            for _ in range(LOOKS):
                self._time("status, many ask", self._client.status)
                self._time("open, many ask", partial(self._client.open, ANOTHER))
                self._time("close, many ask", partial(self._client.close, ANOTHER))
        finally:
            process.stop()

    def _time(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something, note its milliseconds, and return the answer."""
        began = time.monotonic()
        answer = work()
        self.times.setdefault(name, []).append(1000 * (time.monotonic() - began))
        return answer

    def _expect(self, answer: dict[str, Any], key: str, count: int | None = None) -> None:
        """Check the length of a list in an answer, which is that of all openings by default."""
        count = len(self._sources) if count is None else count
        found = answer[key]
        if not isinstance(found, list) or len(found) != count:
            raise AssertionError(f"not {count} {key}: {answer!s:.200}")


if __name__ == "__main__":
    main()
