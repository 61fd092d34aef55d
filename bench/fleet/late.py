"""How late inner hosts open: milliseconds from the gateway's opening to theirs."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import IO, Any

from bench.common import Times
from bench.fleet.watch import Watch
from tests import ROOT
from tests.lab.fleet.fleet import Fleet
from tests.lab.fleet.member import Member
from tests.lab.hosts import BIN

GATEWAY, INNER = "edge1", ("web1", "web2", "web3")
PAUSE = 0.02
"""The most seconds between two knocks. They are random, so nothing falls in step with them."""
PATIENCE = 10.0
"""Seconds after which an opening counts as lost."""


class Bare:
    """A process that appends, and one on each inner host that follows."""

    def __init__(self, fleet: Fleet) -> None:
        self._stack = ExitStack()
        self._in: IO[bytes]
        members = fleet.members
        self._followers = [self._start(fleet, members[name], "follow")[1] for name in INNER]
        self._in, _ = self._start(fleet, members[GATEWAY], "append")

    def _start(self, fleet: Fleet, member: Member, role: str) -> tuple[IO[bytes], IO[bytes]]:
        url = fleet.engine.url.replace("//", f"//{member.name}@")
        files = str(member.folder / "password"), str(fleet.engine.authority.file)
        argv = [str(BIN / "python"), "-m", "bench.fleet.bare", role, url, *files]
        with member.host.inside():
            process = Popen(argv, stdin=PIPE, stdout=PIPE, cwd=ROOT)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert process.stdin and process.stdout
        if process.stdout.readline() != b"ready\n":
            raise AssertionError(f"{argv} did not start")
        return process.stdin, process.stdout

    def take(self) -> list[float | None]:
        """Append an entry; return the milliseconds that it took to each follower."""
        self._in.write(b"\n")
        self._in.flush()
        return [float(follower.readline()) for follower in self._followers]

    def close(self) -> None:
        """End them."""
        self._stack.close()


@contextmanager
def makeFleet(names: tuple[str, ...], **options: Any) -> Iterator[Fleet]:
    """Make and start a fleet."""
    with TemporaryDirectory(prefix="pkdoors-") as folder:
        fleet = Fleet(Path(folder), names, **options)
        with closing(fleet):
            fleet.start()
            yield fleet


def measure(knocks: int, program: str) -> Times:
    """Knock so many times, and append as many bare entries, in turns; return all times."""
    names = GATEWAY, *INNER
    times: Times = {"to an inner host": [], "bare XADD to XREAD": []}
    with ExitStack() as stack:
        fleet = stack.enter_context(makeFleet(names, program=program))
        bare = stack.enter_context(closing(Bare(fleet)))
        watch = stack.enter_context(closing(Watch(fleet.members.values())))
        for source in fleet.addSources(knocks):
            seal = fleet.seal(bind=source)
            fleet.members[GATEWAY].knock(fleet.client, seal, source)
            found = watch.waitFor(source, {*names}, PATIENCE)
            times["to an inner host"] += [
                1000 * (found[name] - found[GATEWAY]) if name in found else None for name in INNER
            ]
            time.sleep(random.uniform(0, PAUSE))
            times["bare XADD to XREAD"] += bare.take()
            time.sleep(random.uniform(0, PAUSE))
    return times
