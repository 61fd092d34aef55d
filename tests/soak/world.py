"""The hosts of the soak, and its daemon."""

import os
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

from pkdoors.adminclient.client import AdminClient
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import SERVER4, SERVER6, Daemon, Host, Network, ip
from tests.lab.sealing import makeKey, publicLine
from tests.soak.expectations import Expectations, Gate, Key

SSH, WEB, VAULT = 2222, 2224, 2226
"""The protected ports. They are not adjacent, or the kernel would merge them into a range."""
SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17009)
WEB_SEQUENCE = (18001, 18203, 18005, 18404, 18002, 18009)
SHARING = (SEQUENCE[0], *SEQUENCE[:1:-1], SEQUENCE[1])
"""The same ports as L{SEQUENCE}, in another order."""

CLIENTS = (*(f"10.9.1.{last}" for last in range(10, 15)), "fd09:1::10", "fd09:1::11")
STRANGERS = ("10.9.2.2", "fd09:2::2")
"""Addresses; strangers never earn an opening."""

ANSWER = 0.4
"""Seconds without an answer after which a port counts as closed. On a veth it takes 1 ms."""
PATIENCE = 20.0
"""Seconds in which everything must be as expected. firewalld takes some of them to start."""
MAX_SESSIONS = 10
"""How many connections stay; after that, the oldest one is closed."""

Try = tuple[Key, int]
"""A connection that is tried: for which opening, and to which port."""


class _Echo(BaseRequestHandler):
    """Sends back whatever comes."""

    def handle(self) -> None:
        """Echo until the other side ends the connection."""
        try:
            while data := self.request.recv(4096):
                self.request.sendall(data)
        except OSError:
            pass


class _Server(ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 200


class World:
    """
    Client, stranger and server, and the expectations.

    @ivar gates: the doors as the file describes them, by name.
    @ivar daemon: the running daemon; L{None} while it is dead.
    @ivar logs: the logs of all daemons so far.
    """

    def __init__(self, network: Network, firewall: str) -> None:
        self.network, self.server, self.firewall = network, network.server, firewall
        self.firewalld = Firewalld(self.server) if firewall == "firewalld" else None
        self.file = network.folder / "pkdoors.toml"
        self.admin = AdminClient(f"{network.folder}/admin.sock", timeout=PATIENCE)
        self.expected = Expectations()
        self.anna, self.eve = makeKey(), makeKey()
        keys = network.folder / "authorized_keys"
        keys.write_text(publicLine(self.anna, "anna"))
        self.gates = {
            "ssh": Gate("ssh", SSH, SEQUENCE, 8, 20),
            "vault": Gate("vault", VAULT, SEQUENCE, 8, 20, str(keys)),
        }
        self.logs: list[Path] = []
        self._servers: list[_Server] = []
        self.daemon: Daemon | None = None
        self.sessions: list[tuple[str, socket.socket]] = []
        for address in CLIENTS:
            length = "64" if ":" in address else "24"
            ip(
                "-n",
                network.client.name,
                "address",
                "add",
                f"{address}/{length}",
                "dev",
                "server",
                *(["nodad"] if ":" in address else []),
            )
        for port in (SSH, WEB, VAULT):
            self._serve(port)
        self.write()
        self.start()

    def _serve(self, port: int) -> None:
        with self.server.inside():
            server = _Server(("::", port), _Echo)
        self._servers.append(server)
        Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Close what the network does not end."""
        for _, session in self.sessions:
            session.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def write(self, suffix: str = "") -> None:
        """Replace the file in one step."""
        new = self.file.with_suffix(".new")
        new.touch(0o600)
        head = f'firewall = "{self.firewall}"\nadmin = "{self.admin.path}"\n'
        new.write_text(head + "".join(gate.text() for gate in self.gates.values()) + suffix)
        os.replace(new, self.file)

    def start(self) -> None:
        """Start the daemon."""
        self.daemon = Daemon(self.server, "-c", str(self.file), "--admin", self.admin.path)
        self.logs.append(self.daemon.process.output)
        if not self.daemon.says("AdminSite starting"):
            raise AssertionError(f"the daemon does not listen for operators: {self.daemon.log()}")

    def stop(self, number: signal.Signals) -> None:
        """End the daemon with a signal."""
        if self.daemon is not None:
            self.daemon.stop(number)
            self.daemon = None

    def hostOf(self, source: str) -> Host:
        """Return the host that has an address."""
        return self.network.stranger if source in STRANGERS else self.network.client

    def send(self, source: str, ports: Iterable[int], payload: bytes = b"knock\n") -> None:
        """Send a datagram to each port, in order."""
        self.hostOf(source).send(ports, payload, serverFor(source), source, pause=0.002)

    def stay(self, source: str, port: int) -> bool:
        """Connect and stay connected; return whether the port answered."""
        if len(self.sessions) >= MAX_SESSIONS:
            self.sessions.pop(0)[1].close()
        try:
            session = self.hostOf(source).connect(port, serverFor(source), source)
        except OSError:
            return False
        self.sessions.append((source, session))
        return True

    def logTail(self, lines: int = 40) -> str:
        """Return the end of the logs of the last two daemons."""
        written = "".join(path.read_text(errors="replace") for path in self.logs[-2:])
        return "\n".join(written.splitlines()[-lines:])


def serverFor(source: str) -> str:
    """Return the server's address of the same family."""
    return SERVER6 if ":" in source else SERVER4
