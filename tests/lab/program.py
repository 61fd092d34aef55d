"""
What programs that make hosts of their own have in common: the benchmarks and the soak.

Such a program checks its options, its rights, the packages and the processors before it makes
anything. It removes its hosts again if SIGINT or SIGTERM ends it.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tests.lab.hosts import Network

Result = TypeVar("Result")


class Program:
    """
    A program for root: its command line, its output files and its end.

    @ivar parser: for options that are not numbers.
    """

    def __init__(
        self,
        name: str,
        about: str,
        packages: Mapping[str, str],
        processors: int = 1,
        hasJson: bool = True,
    ) -> None:
        """
        @param name: as C{python -m} takes it.
        @param packages: the programs that must be installed, and Debian's package of each.
        @param processors: how many of them it needs.
        @param hasJson: whether it has the option C{--json}; otherwise it knows where figures go.
        """
        self.name = name
        self._packages = packages
        self._processors = processors
        self._limits: dict[str, tuple[float, float]] = {}
        self._json: Path | None = None
        self.parser = argparse.ArgumentParser(prog=name, description=about)
        if hasJson:
            self.addFile("--json", "write the raw figures to FILE")

    def addFile(self, option: str, about: str) -> None:
        """Add an option that names a file to write."""
        self.parser.add_argument(option, type=_writable, metavar="FILE", help=about)

    def addNumber(
        self, name: str, default: float, most: float, about: str, least: float = 1
    ) -> None:
        """Add the option C{--name}, a number within limits."""
        self._limits[name] = (least, most)
        self.parser.add_argument(
            f"--{name}", type=type(default), default=default, help=f"{about} (%(default)s)"
        )

    def addList(
        self, option: str, allowed: Collection[Any], about: str, isOpen: bool = False, **more: Any
    ) -> None:
        """
        Add an option that takes a list, separated by commas; by default everything that is allowed.

        @param isOpen: whether the list may hold other values, too.
        """
        (kind,) = {type(value) for value in allowed}

        def parse(text: str) -> list[Any]:
            values = [kind(value) for value in text.split(",")]
            if strange := [value for value in values if value not in allowed and not isOpen]:
                raise argparse.ArgumentTypeError(f"{strange[0]} is not one of {joined}")
            return values

        joined = ",".join(map(str, allowed))
        about = f"{about} ({joined})"
        self.parser.add_argument(option, type=parse, default=[*allowed], help=about, **more)

    def start(self) -> argparse.Namespace:
        """Return the options, or end with one line that says what is wrong or missing."""
        options = self.parser.parse_args()
        for name, (least, most) in self._limits.items():
            if not least <= (value := getattr(options, name)) <= most:
                self.parser.error(f"--{name} {value}: must be from {least} to {most}")
        if lack := findLack(self._packages, self._processors):
            sys.exit(f"{self.name}: {lack}")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self._json = getattr(options, "json", None)
        return options

    def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return what the work returns. If SIGINT ends it, say so once its hosts are gone."""
        try:
            return work(*arguments)
        except KeyboardInterrupt:
            sys.exit(f"{self.name}: interrupted, and cleaned up")

    def save(self, figures: Mapping[str, object]) -> None:
        """Write the raw figures if C{--json} asks for them."""
        if self._json:
            self._json.write_text(json.dumps(figures, indent=1) + "\n")


def findLack(packages: Mapping[str, str], processors: int = 1) -> str:
    """Return what a program lacks to run, and what to do about it; empty if nothing."""
    if os.geteuid():
        return "it makes network namespaces and needs root: run it with sudo"
    if len(os.sched_getaffinity(0)) < processors:
        return f"it needs {processors} CPUs: one for the daemon, the rest for the load"
    if missing := [package for program, package in packages.items() if not shutil.which(program)]:
        return f"{' and '.join(missing)} not installed: apt-get install {' '.join(missing)}"
    return ""


def _writable(text: str) -> Path:
    file = Path(text)
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{file.parent} is not a directory")
    return file


@contextmanager
def makeNetworks(*names: str) -> Iterator[dict[str, Network]]:
    """Make some networks, each with hosts and a folder of its own, and remove them at the end."""
    with (
        _signals(signal.SIG_BLOCK),  # they wait while hosts come and go
        TemporaryDirectory(prefix="pkdoors-") as folder,
        ExitStack() as stack,
    ):
        networks: dict[str, Network] = {}
        for name in names:
            place = Path(folder, name)
            place.mkdir()
            networks[name] = stack.enter_context(Network(place))
        with _signals(signal.SIG_UNBLOCK):
            yield networks


@contextmanager
def makeNetwork() -> Iterator[Network]:
    """Make one network."""
    with makeNetworks("net") as networks:
        yield networks["net"]


@contextmanager
def _signals(change: signal.Sigmasks) -> Iterator[None]:
    """Block or unblock the signals that end a program."""
    before = signal.pthread_sigmask(change, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pickProcessors() -> tuple[int, int]:
    """Return the CPU for the measured daemon and the one for the load: the same if it is alone."""
    numbers = sorted(os.sched_getaffinity(0))
    return numbers[0], numbers[-1]


@contextmanager
def onProcessor(number: int) -> Iterator[None]:
    """Stay on one CPU meanwhile; a program that is started meanwhile stays there for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
