"""
What an idle daemon costs: memory, wake-ups without traffic, and the time from exec until it is
ready.

C{plain} has one door and nftables, C{service} also systemd's watchdog, C{sealed} a door that opens
to a key, and C{firewalld} has firewalld before the guard. Each is started again and again; then one
of them is left alone and examined. Beside them are two commands that are faster by nature: an
interpreter that loads Twisted's reactor, and C{twistd --help}. The daemon is ready when it says so
to the service manager; a wake-up is a voluntary context switch of any thread. Run as root::

    python -m bench.idle [--starts 20] [--seconds 30] [--json FILE]
"""

import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.common import KNOCKS, PROTECTED, Times, figuresOf, showTimes
from tests.lab.costs import memoryOf, wakeUps
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import BIN, PATIENCE, Host, Process
from tests.lab.program import Program, makeNetwork
from tests.lab.sealing import makeKey, publicLine

MAX_STARTS, MAX_SECONDS = 1000, 3600
"""A start takes a third of a second."""

SETTLING = 2
"""Seconds after which the daemon has finished what follows its start."""

HEAVIEST = 10
"""Imports to show."""

WATCHDOG = {"WATCHDOG_USEC": "30000000"}
"""As in the unit."""

MEMORY = ("VmRSS", "RssAnon", "RssFile", "Pss", "Private_Dirty", "Threads")
"""What to note of its memory: all in KiB, except the number of threads."""

FLOORS = {
    "python, reactor": (sys.executable, "-c", "import twisted.internet.reactor"),
    "twistd --help": (str(BIN / "twistd"), "--help"),
}

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "firewalld": "firewalld",
    "dbus-daemon": "dbus",
}

_IMPORT = re.compile(r"^import time: +\d+ \| +(\d+) \| +(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Idle:
    """
    @ivar memory: as C{proc(5)} names it, L{MEMORY}.
    @ivar wakeUps: while the daemon was examined.
    @ivar calls: the system calls in an equal time after that; L{None} without strace.
    """

    memory: dict[str, int]
    wakeUps: int
    calls: dict[str, int] | None


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.idle", "The idle daemon.", PACKAGES)
    program.addNumber("starts", 20, MAX_STARTS, "starts of each kind of daemon")
    program.addNumber("seconds", 30, MAX_SECONDS, "seconds to examine each of them")
    options = program.start()
    bench = program.run(measure, options.starts, options.seconds)
    bench.show()
    idle = {name: asdict(found) for name, found in bench.idle.items()}
    facts = {"seconds": options.seconds, "idle": idle, "imports": bench.imports}
    program.save({**figuresOf(bench.times), **facts})


def measure(starts: int, seconds: int) -> "Bench":
    """Make the hosts, and measure all cases."""
    with makeNetwork() as network:
        bench = Bench(network.server, starts, seconds)
        for name, argv in FLOORS.items():
            bench.addFloor(name, argv)
        bench.addCase("plain")
        bench.addCase("service", environment=WATCHDOG)
        keys = network.folder / "keys"
        keys.touch(0o600)
        keys.write_text(publicLine(makeKey(), "anna") + "\n")
        bench.addCase("sealed", "--authorized-keys", str(keys))
        Firewalld(network.server)
        bench.addCase("firewalld", firewall="firewalld")
        return bench


class Bench:
    """
    The figures of one host, by name.

    @ivar idle: what an idle daemon takes.
    @ivar imports: the modules imported until it was ready, the heaviest first, and how many
        milliseconds each took, with everything that it imports itself.
    """

    def __init__(self, host: Host, starts: int, seconds: int) -> None:
        self._host, self._starts, self._seconds = host, starts, seconds
        self.times: Times = {}
        self.idle: dict[str, Idle] = {}
        self.imports: dict[str, list[tuple[str, float]]] = {}

    def addFloor(self, name: str, argv: tuple[str, ...]) -> None:
        """Run a program to its end, again and again."""
        for _ in range(self._starts):
            began = time.monotonic()
            self._host.run(*argv)
            self.times.setdefault(name, []).append(1000 * (time.monotonic() - began))

    def addCase(
        self,
        name: str,
        *options: str,
        firewall: str = "nftables",
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start a daemon again and again, and examine the last one."""
        door = ("--firewall", firewall, "--magic-seq", KNOCKS, "--ports", str(PROTECTED))
        options = (*door, "--admin", f"{self._host.folder}/admin.sock", *options)
        variables = environment or {}
        with self._running(options, variables):  # to fill the caches
            pass
        for _ in range(self._starts):
            with self._running(options, variables) as (_, took):
                self.times.setdefault(name, []).append(took)
        with self._running(options, variables) as (process, _):
            time.sleep(SETTLING)
            self.idle[name] = self._examine(process.popen.pid)
        profiled = {**variables, "PYTHONPROFILEIMPORTTIME": "1"}
        with self._running(options, profiled) as (process, _):
            pass
        found = [(line[2], int(line[1]) / 1000) for line in _IMPORT.finditer(process.log())]
        self.imports[name] = sorted(found, key=lambda module: -module[1])

    @contextmanager
    def _running(
        self, options: tuple[str, ...], environment: dict[str, str]
    ) -> Iterator[tuple[Process, float]]:
        """Run a daemon meanwhile; yields it, and the milliseconds until it was ready."""
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
                raise AssertionError(f"the daemon did not start: {process.log()}") from None
            finally:
                process.stop()

    def _examine(self, pid: int) -> Idle:
        """Leave it alone for a while, and for as long again while strace counts its calls."""
        memory = memoryOf(pid, MEMORY)
        before = wakeUps(pid)
        time.sleep(self._seconds)
        woken = wakeUps(pid) - before
        calls = self._countCalls(pid) if shutil.which("strace") else None
        return Idle(memory, woken, calls)

    def _countCalls(self, pid: int) -> dict[str, int]:
        """Return the system calls, as strace counts them; its own start may interrupt one."""
        tracer = self._host.spawn("strace", "-f", "-c", "-p", str(pid))
        tracer.says("attached")
        time.sleep(self._seconds)
        tracer.stop(signal.SIGINT)
        lines = [line.split() for line in tracer.log().splitlines() if re.match(r" *\d", line)]
        return {words[-1]: int(words[3]) for words in lines if words[-1] != "total"}

    def show(self) -> None:
        """Print the figures."""
        print(f"From exec until it is ready\n{showTimes(self.times)}")
        print("\nWithout traffic, memory in MiB")
        woken = f"wake-ups in {self._seconds} s"
        print(f"{'':16}{'resident':>10}{'own':>8}{'PSS':>8}{woken:>20}  calls")
        for name, idle in self.idle.items():
            memory = [idle.memory[key] / 1024 for key in ("VmRSS", "RssAnon", "Pss")]
            shown = "{:10.1f}{:8.1f}{:8.1f}".format(*memory)
            print(f"{name:16}{shown}{idle.wakeUps:20}  {idle.calls}")
        for name, imports in self.imports.items():
            print(f"\nThe heaviest of {len(imports)} imports of {name}, with theirs, in ms")
            for module, took in imports[:HEAVIEST]:
                print(f"{took:8.1f}  {module}")


if __name__ == "__main__":
    main()
