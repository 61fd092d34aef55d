"""
A soak: a real daemon with a real firewall, in namespaces, must withstand random events.

The steps are knocks of all kinds, the operator's commands, flushes and reloads by others, a daemon
that is killed, and other configurations. After each step, once things have settled, the kernel's
openings must be those of the daemon, and both must be those that the soak expects
(L{tests.soak.expectations}), with the same ends. Clients with an opening must get in, all others
must not, and connections must survive. The soak ends with status 1 at the first violation. Run as
root::

    python -m tests.soak [--minutes 10] [--seed N] [--firewall nftables] [--json FILE]
"""

import argparse
import random
import sys
import time
from collections import Counter
from contextlib import closing
from subprocess import SubprocessError

from pkdoors.errors import PkdoorsError
from tests.lab.program import Program, findLack, makeNetwork
from tests.soak.checker import Checker
from tests.soak.steps import Steps
from tests.soak.world import World

MAX_MINUTES = 24 * 60.0
"""A day. Each step takes about a second."""
LAST = 12
"""How many steps to show after a violation."""

PACKAGES = {"ip": "iproute2", "nft": "nftables"}
FIREWALLD = {"firewalld": "firewalld", "dbus-daemon": "dbus-daemon"}


def main() -> None:
    """Run the soak."""
    program = Program("tests.soak", "Long and random use.", PACKAGES)
    program.addNumber("minutes", 10.0, MAX_MINUTES, "how long", least=0.001)
    program.addNumber("steps", 0, sys.maxsize, "how many steps; 0: as time allows", least=0)
    add = program.parser.add_argument
    add("--seed", type=int, default=random.randrange(1_000_000), help="of the random numbers")
    add("--firewall", choices=("nftables", "firewalld"), default="nftables")
    add("--verbose", action="store_true", help="show each step")
    options = program.start()
    if options.firewall == "firewalld" and (lack := findLack(FIREWALLD)):
        sys.exit(f"tests.soak: {lack}")
    soak = Soak(options)
    try:
        program.run(soak.run)
    finally:
        print(soak.summary())
    program.save(soak.figures())
    sys.exit(1 if soak.violation else 0)


class Soak:
    """
    One run.

    @ivar violation: what went wrong; empty if nothing did.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._done: list[str] = []  # a line for each step
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()
        self._knocks = self._openings = 0
        self._slowest = (0.0, "")
        self.violation = ""

    def run(self) -> None:
        """Make the hosts, and do steps."""
        with makeNetwork() as network, closing(World(network, self._options.firewall)) as world:
            checker = Checker(world)
            steps = Steps(world, checker, random.Random(self._options.seed))
            end = self._began + 60 * self._options.minutes
            most = self._options.steps or sys.maxsize
            while time.monotonic() < end and len(self._done) < most and not self.violation:
                self._step(checker, steps)
                self._knocks, self._openings = steps.knocks, steps.openings
                self._slowest = checker.slowest
            if self.violation:
                print(self._report(world))

    def _step(self, checker: Checker, steps: Steps) -> None:
        step = steps.draw()
        self._counts[step.__name__] += 1
        try:
            self._note(step())
            self.violation = (
                checker.awaitAgreement() or checker.tryDoors() or checker.checkSessions()
            )
        except (AssertionError, PkdoorsError, OSError, SubprocessError) as error:
            self._note(f"{step.__name__} failed")
            self.violation = str(error)

    def _note(self, step: str) -> None:
        self._done.append(f"{time.monotonic() - self._began:7.1f} s  {len(self._done) + 1}: {step}")
        if self._options.verbose:
            print(self._done[-1], flush=True)

    def _report(self, world: World) -> str:
        return "\n".join(
            [
                "the end of the log:",
                world.logTail(),
                "",
                f"the last steps of seed {self._options.seed}:",
                *self._done[-LAST:],
                f"after step {len(self._done)}: {self.violation}",
                "",
            ]
        )

    def figures(self) -> dict[str, object]:
        """Return the figures, for programs."""
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
        """Return the figures, for people."""
        return "\n".join(
            [
                *(f"{count:6} {name}" for name, count in self._counts.most_common()),
                f"the slowest to settle: {self._slowest[0]:.1f} s, for {self._slowest[1]}",
                f"{len(self._done)} steps in {time.monotonic() - self._began:.0f} s with "
                f"{self._options.firewall} and seed {self._options.seed}: {self._knocks} knocks, "
                f"{self._openings} openings, {1 if self.violation else 0} violations",
            ]
        )


if __name__ == "__main__":
    main()
