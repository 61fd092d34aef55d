"""
A soak: a real daemon with a real firewall, in namespaces, and all that can befall them, at random.

Knocks of all kinds, the operator's commands, flushes and reloads by others, a daemon that is
killed, other configurations. After each step, when things have settled, the kernel's openings are
those of the daemon, and both are those of the soak's own books (L{tests.soak.books}), with the
same ends; nobody gets in who may not, everybody who may does, and who is connected stays so. Ends
with status 1 at the first thing that is not so. Run as root::

    python -m tests.soak [--minutes 10] [--seed N] [--firewall nftables] [--json FILE]
"""

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from subprocess import SubprocessError
from tempfile import TemporaryDirectory

from bench.common import lacking, signals
from pkdoors.errors import PkdoorsError
from tests.lab.hosts import Network
from tests.soak.eyes import Eyes
from tests.soak.steps import Steps
from tests.soak.world import World

MAX_MINUTES = 24 * 60.0
"""A day. Each step takes about a second."""
LAST = 12
"""Steps that are told where something is wrong."""

PACKAGES = {"ip": "iproute2", "nft": "nftables"}
FIREWALLD = {"firewalld": "firewalld", "dbus-daemon": "dbus-daemon"}


def main() -> None:
    """Run the soak."""
    options = parse()
    if lack := lacking(PACKAGES | (FIREWALLD if options.firewall == "firewalld" else {})):
        sys.exit(f"tests.soak: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    soak = Soak(options)
    try:
        soak.run()
    except KeyboardInterrupt:
        print(soak.summary())
        sys.exit("tests.soak: interrupted, and cleaned up")
    print(soak.summary())
    if options.json:
        options.json.write_text(json.dumps(soak.figures(), indent=1) + "\n")
    sys.exit(1 if soak.violation else 0)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.soak", description="Long and random use.")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (10)")
    parser.add_argument("--steps", type=int, default=0, help="how many steps; 0: as time allows")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of chance")
    parser.add_argument("--firewall", choices=("nftables", "firewalld"), default="nftables")
    parser.add_argument("--verbose", action="store_true", help="tell each step")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where figures go")
    options = parser.parse_args()
    if not 0 < options.minutes <= MAX_MINUTES:
        parser.error(f"--minutes {options.minutes:g}: more than 0, to {MAX_MINUTES:g} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


class Soak:
    """
    One run.

    @ivar violation: what was wrong; empty where nothing was.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._told: list[str] = []
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()
        self._knocks = self._openings = 0
        self._slowest = (0.0, "")
        self.violation = ""

    def run(self) -> None:
        """Make the hosts, do steps, remove the hosts; signals wait while hosts come and go."""
        with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
            with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK), ExitStack() as end:
                world = World(network, self._options.firewall)
                end.callback(world.close)
                self._soak(world)

    def _soak(self, world: World) -> None:
        eyes = Eyes(world)
        steps = Steps(world, eyes, random.Random(self._options.seed))
        end = self._began + 60 * self._options.minutes
        most = self._options.steps or sys.maxsize
        while time.monotonic() < end and len(self._told) < most and not self.violation:
            self._step(eyes, steps)
            self._knocks, self._openings = steps.knocks, steps.openings
            self._slowest = eyes.slowest
        if self.violation:
            print(self._report(world))

    def _step(self, eyes: Eyes, steps: Steps) -> None:
        step = steps.draw()
        self._counts[step.__name__] += 1
        try:
            self._tell(step())
            self.violation = eyes.settled() or eyes.strangersIn() or eyes.sessionsLost()
        except (AssertionError, PkdoorsError, OSError, SubprocessError) as error:
            self._tell(f"{step.__name__} failed")
            self.violation = str(error)

    def _tell(self, step: str) -> None:
        self._told.append(f"{time.monotonic() - self._began:7.1f} s  {len(self._told) + 1}: {step}")
        if self._options.verbose:
            print(self._told[-1], flush=True)

    def _report(self, world: World) -> str:
        return "\n".join(
            [
                "the end of the log:",
                world.logTail(),
                "",
                f"the last steps of seed {self._options.seed}:",
                *self._told[-LAST:],
                f"after step {len(self._told)}: {self.violation}",
                "",
            ]
        )

    def figures(self) -> dict[str, object]:
        """The figures, for programs."""
        return {
            "firewall": self._options.firewall,
            "seed": self._options.seed,
            "seconds": round(time.monotonic() - self._began, 1),
            "steps": dict(self._counts.most_common()),
            "knocks": self._knocks,
            "openings": self._openings,
            "slowest": self._slowest,
            "violation": self.violation,
        }

    def summary(self) -> str:
        """The figures, for reading."""
        return "\n".join(
            [
                *(f"{count:6} {name}" for name, count in self._counts.most_common()),
                f"the slowest to settle: {self._slowest[0]:.1f} s, for {self._slowest[1]}",
                f"{len(self._told)} steps in {time.monotonic() - self._began:.0f} s with "
                f"{self._options.firewall} and seed {self._options.seed}: {self._knocks} knocks, "
                f"{self._openings} openings, {1 if self.violation else 0} violations",
            ]
        )


if __name__ == "__main__":
    main()
