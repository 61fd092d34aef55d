"""
Hosts for tests: network namespaces joined by veth pairs, and what runs on them.

::

    client 10.9.1.2, fd09:1::2 ---- 10.9.1.1, fd09:1::1 server
    stranger 10.9.2.2, fd09:2::2 -- 10.9.2.1, fd09:2::1 server

Client and stranger reach the server at the addresses of its C{client} side.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Self

from pkdoors.daemon.notes.replayfile import seenPath
from tests.lab.namespaces import Namespaces, leaveMachine
from tests.lab.sealing import leaveNotes

BIN = Path(sys.executable).parent
"""Where C{pkdoors} and C{twistd} are."""

SERVER4, SERVER6 = "10.9.1.1", "fd09:1::1"
CLIENT4, CLIENT6 = "10.9.1.2", "fd09:1::2"
STRANGER4, STRANGER6 = "10.9.2.2", "fd09:2::2"

REFUSAL = 0.4
"""Seconds without an answer after which a port counts as closed. On a veth it takes 1 ms."""

PATIENCE = 60.0
"""Seconds that a test waits for something that should happen at once: the machine may be busy."""

_serial = count()


def eventually(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is true, and return it; or the last one that was not."""
    end = time.monotonic() + patience
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


def listens(path: Path) -> bool:
    """Return whether somebody listens at a UNIX socket."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


def heedSignals() -> None:
    """Stop ignoring signals, as a child of a program that ignores them would."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


class Process:
    """A program on a host; its output, both kinds, goes to a file."""

    def __init__(self, argv: list[str], output: Path, environment: dict[str, str]) -> None:
        self.output = output
        with output.open("ab") as out:
            self.popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=heedSignals,
            )

    def log(self) -> str:
        """Return what it has written so far."""
        return self.output.read_text(errors="replace")

    def says(self, text: str, patience: float = PATIENCE) -> bool:
        """Wait until it writes this; return whether it did."""
        ended = self.popen.poll

        def said() -> bool:
            return text in self.log() or ended() is not None

        return bool(eventually(said, patience)) and text in self.log()

    def stop(self, with_: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(with_)
        try:
            return self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


class Host:
    """A host: its namespaces, and the programs that run on it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._stack = ExitStack()
        leaveMachine()
        ip("netns", "add", name)
        self._stack.callback(ip, "netns", "delete", name)
        self.namespaces = Namespaces(name, [folder])
        self._stack.callback(self.namespaces.close)
        self.run("ip", "link", "set", "lo", "up")
        # The search for duplicates of an address ends a second later. That changes the address, and
        # then Chromium aborts all loading.
        self.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be on this host, with sockets and files opened, and programs started, meanwhile."""
        with self.namespaces.inside():
            yield

    def run(self, *argv: str) -> str:
        """Run a program, which must succeed; return its output, both kinds."""
        status, output = self.status(*argv)
        if status:
            raise AssertionError(f"{argv} ended with {status}: {output}")
        return output

    def status(self, *argv: str, **environment: str) -> tuple[int, str]:
        """Run a program; return its exit status, and its output, both kinds."""
        with self.inside():
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                cwd=self.folder,
                env={**os.environ, **self.environment, **environment},
            )
        return done.returncode, done.stdout

    def spawn(self, *argv: str, **environment: str) -> Process:
        """Start a program, which ends with the host at the latest."""
        role = self.name.rpartition("-")[2]
        output = self.folder / f"{role}-{Path(argv[0]).name}-{next(_serial)}.log"
        with self.inside():
            process = Process(list(argv), output, {**self.environment, **environment})
        self._stack.callback(process.stop)
        return process

    def serve(self, port: int) -> socket.socket:
        """Listen on a TCP port, on IPv4 and IPv6; connections wait to be accepted."""
        with self.inside():
            server = socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096
            )
        self._stack.callback(server.close)
        return server

    def connect(self, port: int, address: str = SERVER4, source: str = "") -> socket.socket:
        """Connect over TCP; raise L{OSError} if the port does not answer."""
        with self.inside():
            return socket.create_connection(
                (address, port), REFUSAL, (source, 0) if source else None
            )

    def reaches(self, port: int, address: str = SERVER4, source: str = "") -> bool:
        """Return whether a TCP port answers now."""
        try:
            self.connect(port, address, source).close()
        except OSError:
            return False
        return True

    def comesToReach(self, port: int, address: str = SERVER4, source: str = "") -> bool:
        """Wait until a TCP port answers; return whether it did."""
        return bool(eventually(lambda: self.reaches(port, address, source)))

    def send(
        self,
        ports: Iterable[int],
        payload: bytes = b"knock\n",
        address: str = SERVER4,
        source: str = "",
        pause: float = 0.005,
    ) -> None:
        """Send a datagram to each port, in order."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.inside(), socket.socket(family, socket.SOCK_DGRAM) as sender:
            if source:
                sender.bind((source, 0))
            for port in ports:
                sender.sendto(payload, (address, port))
                time.sleep(pause)

    def ownEtc(self) -> Path:
        """Give the host a copy of /etc that is only its own, without a configuration of pkdoors."""
        etc = self.folder / f"etc-{self.name}"
        self.run("cp", "-a", "/etc", str(etc))
        self.run("rm", "-rf", str(etc / "pkdoors"))
        self.run("mount", "--bind", str(etc), "/etc")
        return etc

    def haveNotes(self, *options: str) -> None:
        """
        Let a daemon with these options find the notes of one that ended long ago, unless some are
        there: the first one of a host refuses sealed knocks for a minute. They go with the host.
        """
        values = {}
        for option, value in pairwise((*options, "")):
            name, equals, rest = option.partition("=")
            values[name] = rest if equals else value
        files = [
            values[name] for name in ("-c", "--conf", "-k", "--authorized-keys") if name in values
        ]
        with self.inside():
            for file in files[:1]:
                if not (path := seenPath(file)).exists():
                    leaveNotes(path)

    def close(self) -> None:
        """End what runs here, and remove the namespaces."""
        self._stack.close()


class Network:
    """A server, a client and a stranger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with ExitStack() as self._stack:
            self.server = self._host("server")
            self.client = self._host("client")
            self.stranger = self._host("stranger")
            for number, other in enumerate((self.client, self.stranger), 1):
                self._join(number, other)
            self._stack = self._stack.pop_all()  # all went well: it is __exit__ that ends them

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, role: str, number: int) -> Host:
        """Add a host behind the server: 10.9.NUMBER.2 and fd09:NUMBER::2."""
        host = self._host(role)
        self._join(number, host)
        return host

    def _host(self, role: str) -> Host:
        host = Host(f"pkd-{os.getpid()}-{next(_serial)}-{role}", self.folder)
        self._stack.callback(host.close)
        return host

    def _join(self, number: int, other: Host) -> None:
        side = other.name.rpartition("-")[2]
        ip(
            "-n",
            self.server.name,
            "link",
            "add",
            side,
            "type",
            "veth",
            "peer",
            "name",
            "server",
            "netns",
            other.name,
        )
        for host, device, last in ((self.server, side, 1), (other, "server", 2)):
            ip("-n", host.name, "address", "add", f"10.9.{number}.{last}/24", "dev", device)
            ip(
                "-n",
                host.name,
                "address",
                "add",
                f"fd09:{number}::{last}/64",
                "dev",
                device,
                "nodad",
            )
            ip("-n", host.name, "link", "set", device, "up")
        ip("-n", other.name, "route", "add", "default", "via", f"10.9.{number}.1")
        ip("-n", other.name, "-6", "route", "add", "default", "via", f"fd09:{number}::1")


class Daemon:
    """C{pkdoors daemon} on a host."""

    def __init__(self, host: Host, *options: str, **environment: str) -> None:
        if "--admin" not in options:
            options = (*options, "--admin", f"{host.folder}/admin.sock")
        host.haveNotes(*options)
        self.process = host.spawn(str(BIN / "pkdoors"), "daemon", *options, **environment)
        if not self.process.says("guarding door"):
            raise AssertionError(f"the daemon did not start: {self.log()}")

    def log(self) -> str:
        """Return what it has logged so far."""
        return self.process.log()

    def says(self, text: str) -> bool:
        """Wait until it logs this; return whether it did."""
        return self.process.says(text)

    def stop(self, with_: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit status."""
        return self.process.stop(with_)


def ip(*arguments: str) -> None:
    """Run C{ip} of iproute2 on the machine itself."""
    subprocess.run(["ip", *arguments], check=True)
