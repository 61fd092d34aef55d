"""How late inner hosts open: milliseconds from the gateway's opening to theirs."""

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv4Network
from math import nan
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import IO, Any

from bench.common import Times
from bench.fleet.bare import WRITER
from bench.fleet.watch import Watch, beFirst
from pkdoors.fleet.relay.daemonlink import makeSealLine
from tests import ROOT
from tests.lab.fleet.fleet import FLEET, Fleet
from tests.lab.fleet.member import LESSER, Member
from tests.lab.hosts import BIN

GATEWAY = "edge1"
INNER_HOST, LOG = "until an inner host is open", "until the engine has the knock"
"""Delays from the gateway's opening on."""
BARE, DIRECT = "bare XADD to XREAD", "handed to inner daemons"
"""Parts of them: an entry's way through the engine alone, and the time from a seal at the lesser
sockets of all inner hosts at once to each opening, without the engine and the fleet's processes."""
PAUSE = 0.02
"""The most seconds between two knocks. They are random, so nothing falls in step with them."""
DIRECT_SOURCES = IPv4Network("10.88.0.0/16")
"""Nobody has these addresses."""
PATIENCE = 10.0
"""Seconds after which an opening counts as lost."""


class Bare:
    """A process that appends, and one on each inner host that follows."""

    def __init__(self, fleet: Fleet, inner: tuple[str, ...]) -> None:
        self._stack = ExitStack()
        self._in: IO[bytes]
        members = fleet.members
        self._followers = [self._start(fleet, members[name], "follow")[1] for name in inner]
        self._in, _ = self._start(fleet, members[GATEWAY], "append")

    def _start(self, fleet: Fleet, member: Member, role: str) -> tuple[IO[bytes], IO[bytes]]:
        user = WRITER if role == "append" else member.name
        url = fleet.engine.url.replace("//", f"//{user}@")
        password = fleet.engine.folder / f"password-{user}"
        password.write_text(fleet.passwords[user])
        files = str(password), str(fleet.engine.authority.file)
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


class Direct:
    """Hands seals to the lesser sockets of some hosts, as their fleet's processes do."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._connections = [member.connect(LESSER) for member in members]

    def hand(self, seal: bytes, source: str) -> float:
        """Hand a seal to all at once; return when."""
        line = makeSealLine(GATEWAY, source, seal)
        head = b"POST /seals HTTP/1.1\r\nHost: pkdoors\r\nContent-Length: %d\r\n\r\n" % len(line)
        begun = time.monotonic()
        for connection in self._connections:
            connection.sendall(head + line)
        return begun

    def finish(self) -> None:
        """Read the answers."""
        for connection in self._connections:
            if not connection.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                raise AssertionError("a daemon refuses a seal")

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()


def readLog(fleet: Fleet) -> dict[str, float]:
    """Return when the gateway's log got each entry, by the engine's clock of milliseconds."""
    ahead = time.time() - time.monotonic()
    found = {}
    with closing(fleet.engine.client()) as client:
        for name, fields in client.ask("XRANGE", f"pk:{FLEET}:log:{GATEWAY}", "-", "+"):
            source = fields[fields.index(b"a") + 1].decode()
            found[source] = (int(name.split(b"-")[0]) + 0.5) / 1000 - ahead
    return found


@contextmanager
def makeFleet(names: tuple[str, ...], **options: Any) -> Iterator[Fleet]:
    """Make and start a fleet."""
    with TemporaryDirectory(prefix="pkdoors-") as folder:
        fleet = Fleet(Path(folder), names, **options)
        with closing(fleet):
            fleet.start()
            yield fleet


def measure(knocks: int, hosts: int, program: str) -> Times:
    """
    Knock so many times, append as many bare entries, and hand over as many seals without the
    engine, in turns; return all times.

    @param hosts: how many inner hosts there are.
    """
    inner = tuple(f"web{number}" for number in range(1, hosts + 1))
    names = GATEWAY, *inner
    times: Times = {INNER_HOST: [], BARE: [], DIRECT: [], LOG: []}
    with ExitStack() as stack:
        fleet = stack.enter_context(makeFleet(names, program=program, others=(WRITER,)))
        bare = stack.enter_context(closing(Bare(fleet, inner)))
        watch = stack.enter_context(closing(Watch(fleet.members.values())))
        direct = stack.enter_context(closing(Direct(fleet.members[name] for name in inner)))
        beFirst()
        sources, others = fleet.addSources(knocks), DIRECT_SOURCES.hosts()
        opened: dict[str, float] = {}
        for source in sources:
            seal = fleet.seal(bind=source)
            fleet.members[GATEWAY].knock(fleet.client, seal, source)
            found = watch.waitFor(source, {*names}, PATIENCE)
            opened[source] = found.get(GATEWAY, nan)
            times[INNER_HOST] += [
                1000 * (found[name] - found[GATEWAY]) if name in found else None for name in inner
            ]
            time.sleep(random.uniform(0, PAUSE))
            times[BARE] += bare.take()
            time.sleep(random.uniform(0, PAUSE))
            other = str(next(others))
            begun = direct.hand(fleet.seal(bind=other), other)
            found = watch.waitFor(other, {*inner}, PATIENCE)
            times[DIRECT] += [
                1000 * (found[name] - begun) if name in found else None for name in inner
            ]
            direct.finish()
            time.sleep(random.uniform(0, PAUSE))
        log = readLog(fleet)
        times[LOG] = [1000 * (log[one] - opened[one]) if one in log else None for one in sources]
    return times
