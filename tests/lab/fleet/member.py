"""A host of a fleet: its files, its daemon, and the process between the daemon and the engine."""

import http.client
import json
import random
import signal
import socket
from pathlib import Path
from typing import Any

from tests.lab.case import PORT, SEQUENCE
from tests.lab.hosts import BIN, Daemon, Host, Process, eventually, listens

ADMIN, LESSER = Path("/run/pkdoors/admin.sock"), Path("/run/pkdoors/fleet.sock")
"""The daemon's sockets, on each host's own C{/run}."""


class Member:
    """
    A host of a fleet.

    @ivar name: in the fleet, and of its user at the engine.
    @ivar address: where knocks for it go.
    @ivar file: the daemon's configuration; C{fleet.toml} is beside it.
    """

    def __init__(self, name: str, host: Host, address: str) -> None:
        self.name = name
        self.host = host
        self.address = address
        self.folder = host.folder / name
        self.folder.mkdir()
        self.file = self.folder / "pkdoors.toml"
        self.daemon: Daemon
        self.relay: Process
        host.run("mkdir", "-m", "755", str(ADMIN.parent))  # as systemd does
        host.serve(PORT)

    def write(self, door: str, fleet: str, password: str = "") -> None:
        """Write the daemon's configuration, that of the fleet, and the password for the engine."""
        for path, text in (
            (self.file, f'firewall = "nftables"\n{door}'),
            (self.folder / "fleet.toml", fleet),
            (self.folder / "password", password),
        ):
            path.touch(0o600)
            path.write_text(text)

    def startDaemon(self, listen: str = "sockets") -> None:
        """Start the daemon, and wait until it answers the operator."""
        options = ("-c", str(self.file), "--admin", str(ADMIN), "--listen", listen)
        self.daemon = Daemon(self.host, *options)
        if not eventually(self._answers):
            raise AssertionError(f"the daemon did not start:\n{self.daemon.log()}")

    def _answers(self) -> bool:
        """Return whether somebody listens at the admin socket."""
        with self.host.inside():
            return listens(ADMIN)

    def startRelay(self) -> None:
        """Start the process between the daemon and the engine."""
        self.relay = self.host.spawn(str(BIN / "pkdoors"), "fleet", "daemon", "-c", str(self.file))

    def stop(self, with_: signal.Signals = signal.SIGTERM) -> None:
        """End both."""
        self.relay.stop(with_)
        self.daemon.stop(with_)

    def knock(self, client: Host, datagram: bytes, source: str = "") -> None:
        """Let a client send a sealed knock to all ports, in no particular order."""
        ports = random.sample(SEQUENCE, len(SEQUENCE))
        client.send(ports, datagram, self.address, source, pause=0)

    def isOpenFor(self, client: Host, source: str = "") -> bool:
        """Return whether the protected port answers a client now."""
        return client.reaches(PORT, self.address, source)

    def comesToBeOpenFor(self, client: Host, source: str = "") -> bool:
        """Wait until the protected port answers a client; return whether it did."""
        return client.comesToReach(PORT, self.address, source)

    def comesToBeShutFor(self, client: Host, source: str = "") -> bool:
        """Wait until the protected port does not answer a client; return whether that was so."""
        return bool(eventually(lambda: not self.isOpenFor(client, source)))

    def openings(self) -> dict[str, dict[str, Any]]:
        """Return what is open, as the daemon says, by source."""
        found = self.ask("GET", "/openings")["openings"]
        return {opening["source"]: opening for opening in found}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask at the admin socket; return the answer, which must be a good one."""
        status, text = self.request(ADMIN, method, path, json.dumps(body) if body else None)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def hand(self, *lines: dict[str, Any]) -> list[dict[str, Any]]:
        """Hand seals or orders to the daemon at its lesser socket, as the fleet's process does."""
        body = "".join(f"{json.dumps(line)}\n" for line in lines)
        status, text = self.request(LESSER, "POST", "/seals", body)
        if status != 200:
            raise AssertionError(f"POST /seals: {status} {text}")
        return [json.loads(line) for line in text.splitlines()]

    def connect(self, path: Path) -> socket.socket:
        """Connect to a UNIX socket of the host."""
        with self.host.inside():
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(60)
            connection.connect(str(path))
        return connection

    def request(
        self, path: Path, method: str, target: str, body: str | None = None
    ) -> tuple[int, str]:
        """Ask at a UNIX socket of the host; return the status of HTTP, and what came."""
        asking = http.client.HTTPConnection("pkdoors", timeout=60)
        asking.sock = self.connect(path)
        try:
            asking.request(method, target, body)
            response = asking.getresponse()
            return response.status, response.read().decode()
        finally:
            asking.close()

    def memory(self) -> float:
        """Return the megabytes that the fleet's process has in memory."""
        status = Path(f"/proc/{self.relay.popen.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1000
