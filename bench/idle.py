"""
What an idle daemon costs: memory, wake-ups without traffic, and the time from exec until it is
ready.

C{plain} has one door and nftables, C{service} systemd's watchdog, too, C{sealed} a door that opens
to a key, C{firewalld} has that before the guard. Each is started again and again, and then one is
left alone and looked at. Beside it what is quicker by nature: an interpreter that loads Twisted's
reactor, and C{twistd --help}. Ready is when it tells the service manager so; a wake-up is a
voluntary context switch of any thread. Run as root::

    python -m bench.idle [--starts 20] [--seconds 30] [--json FILE]
"""

import argparse
import json
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import Times, figures, lacking, signals, table
from bench.rivals import PROTECTED, SEQUENCE
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import BIN, PATIENCE, Host, Network, Process
from tests.lab.sealing import makeKey, publicLine

MAX_STARTS, MAX_SECONDS = 1000, 3600
"""A start takes a third of a second."""

SETTLING = 2
"""Seconds after which what follows the start is over."""

HEAVIEST = 10
"""Imports that are shown."""

WATCHDOG = {"WATCHDOG_USEC": "30000000"}
"""As in the unit."""

MEMORY = ("VmRSS", "RssAnon", "RssFile", "Pss", "Private_Dirty", "Threads")
"""What is noted of it; all but the threads in KiB."""

FLOORS = {
    "python, reactor": (sys.executable, "-c", "import twisted.internet.reactor"),
    "twistd --help": (str(BIN / "twistd"), "--help"),
}

PACKAGES = {
    **{"ip": "iproute2", "nft": "nftables"},
    **{"firewalld": "firewalld", "dbus-daemon": "dbus"},
}

_IMPORT = re.compile(r"^import time: +\d+ \| +(\d+) \| +(\S+)$", re.MULTILINE)

Imports = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Idle:
    """
    @ivar memory: as C{proc(5)} names it, L{MEMORY}.
    @ivar wakeUps: in the time that it was looked at.
    @ivar calls: the system calls in as long a time after that; L{None} without strace.
    """

    memory: dict[str, int]
    wakeUps: int
    calls: dict[str, int] | None


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.idle: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        times, idle, imports = run(options.starts, options.seconds)
    except KeyboardInterrupt:
        sys.exit("bench.idle: interrupted, and cleaned up")
    report(times, idle, imports, options.seconds)
    if options.json:
        looked = {name: asdict(each) for name, each in idle.items()}
        more = {"seconds": options.seconds, "idle": looked, "imports": imports}
        options.json.write_text(json.dumps({**figures(times), **more}, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.idle", description="The idle daemon.")
    parser.add_argument("--starts", type=int, default=20, help="of each kind (20)")
    parser.add_argument("--seconds", type=int, default=30, help="to look at each for (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    for name, most in (("starts", MAX_STARTS), ("seconds", MAX_SECONDS)):
        if not 1 <= (given := getattr(options, name)) <= most:
            parser.error(f"--{name} {given}: 1 to {most} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


def run(starts: int, seconds: int) -> tuple[Times, dict[str, Idle], dict[str, Imports]]:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
        with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK):
            bench = Bench(network.server, starts, seconds)
            for name, argv in FLOORS.items():
                bench.floor(name, argv)
            bench.case("plain")
            bench.case("service", environment=WATCHDOG)
            keys = network.folder / "keys"
            keys.touch(0o600)
            keys.write_text(publicLine(makeKey(), "anna") + "\n")
            bench.case("sealed", "--authorized-keys", str(keys))
            Firewalld(network.server)
            bench.case("firewalld", firewall="firewalld")
            return bench.times, bench.idle, bench.imports


class Bench:
    """
    What is measured on a host, by name.

    @ivar idle: what an idle daemon takes.
    @ivar imports: what was imported until it was ready, the heaviest first, and the milliseconds
        that it took with all that it imports itself.
    """

    def __init__(self, host: Host, starts: int, seconds: int) -> None:
        self._host, self._starts, self._seconds = host, starts, seconds
        self.times: Times = {}
        self.idle: dict[str, Idle] = {}
        self.imports: dict[str, Imports] = {}

    def floor(self, name: str, argv: tuple[str, ...]) -> None:
        """Run a program to its end, again and again."""
        for _ in range(self._starts):
            began = time.monotonic()
            self._host.run(*argv)
            self.times.setdefault(name, []).append(1000 * (time.monotonic() - began))

    def case(
        self,
        name: str,
        *options: str,
        firewall: str = "nftables",
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start a daemon again and again, and look at the last one."""
        options = (
            *("--firewall", firewall, "--magic-seq", ",".join(map(str, SEQUENCE))),
            *("--ports", str(PROTECTED), "--admin", f"{self._host.folder}/admin.sock", *options),
        )
        more = environment or {}
        with self._running(options, more):  # so that the caches are there
            pass
        for _ in range(self._starts):
            with self._running(options, more) as (_, took):
                self.times.setdefault(name, []).append(took)
        with self._running(options, more) as (process, _):
            time.sleep(SETTLING)
            self.idle[name] = self._look(process.popen.pid)
        with self._running(options, {**more, "PYTHONPROFILEIMPORTTIME": "1"}) as (process, _):
            pass
        found = [(each[2], int(each[1]) / 1000) for each in _IMPORT.finditer(process.log())]
        self.imports[name] = sorted(found, key=lambda each: -each[1])

    @contextmanager
    def _running(
        self, options: tuple[str, ...], environment: dict[str, str]
    ) -> Iterator[tuple[Process, float]]:
        """A daemon that is ready, and the milliseconds that it took to be."""
        address = self._host.folder / "notify"
        address.unlink(missing_ok=True)
        argv = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors", *options)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
            manager.settimeout(PATIENCE)
            began = time.monotonic()
            process = self._host.spawn(*argv, NOTIFY_SOCKET=str(address), **environment)
            try:
                manager.recv(4096)
                yield process, 1000 * (time.monotonic() - began)
            except TimeoutError:
                raise AssertionError(f"it did not start: {process.log()}") from None
            finally:
                process.stop()

    def _look(self, pid: int) -> Idle:
        """Leave it alone for so many seconds, and again where strace can count its calls."""
        folder = Path(f"/proc/{pid}")
        memory = (folder / "status").read_text() + (folder / "smaps_rollup").read_text()
        before = wakeUps(folder)
        time.sleep(self._seconds)
        woken = wakeUps(folder) - before
        calls = self._calls(pid) if shutil.which("strace") else None
        return Idle({name: _number(name, memory) for name in MEMORY}, woken, calls)

    def _calls(self, pid: int) -> dict[str, int]:
        """The system calls, as strace counts them; its own beginning may interrupt one."""
        tracer = self._host.spawn("strace", "-f", "-c", "-p", str(pid))
        tracer.says("attached")
        time.sleep(self._seconds)
        tracer.stop(signal.SIGINT)
        lines = [line.split() for line in tracer.log().splitlines() if re.match(r" *\d", line)]
        return {words[-1]: int(words[3]) for words in lines if words[-1] != "total"}


def wakeUps(folder: Path) -> int:
    """The voluntary context switches of all threads of a process so far; C{proc(5)}."""
    each = (path.read_text() for path in folder.glob("task/*/status"))
    return sum(_number("voluntary_ctxt_switches", text) for text in each)


def _number(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def report(times: Times, idle: dict[str, Idle], imports: dict[str, Imports], seconds: int) -> None:
    """Print the figures for reading."""
    print(f"From exec until it is ready\n{table(times)}\n\nWithout traffic, memory in MiB")
    print(f"{'':16}{'resident':>10}{'own':>8}{'PSS':>8}{f'wake-ups in {seconds} s':>20}  calls")
    for name, found in idle.items():
        memory = [found.memory[each] / 1024 for each in ("VmRSS", "RssAnon", "Pss")]
        shown = "{:10.1f}{:8.1f}{:8.1f}".format(*memory)
        print(f"{name:16}{shown}{found.wakeUps:20}  {found.calls}")
    for name, each in imports.items():
        print(f"\nThe heaviest of {len(each)} imports of {name}, with what they import, in ms")
        for module, took in each[:HEAVIEST]:
            print(f"{took:8.1f}  {module}")


if __name__ == "__main__":
    main()
