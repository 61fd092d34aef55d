"""The time from ``ssh HOST true`` to its end."""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench.client.delay import HERE, THERE, delayed
from bench.common import KNOCKS, withBytecode
from tests.lab.hosts import BIN, Daemon, Network
from tests.lab.program import makeNetwork

ROUND_TRIPS = {"1 ms": 0.001, "80 ms": 0.08}
GUARDED, FREE = 22, 2200
"""The port behind the door, and one that no door protects. sshd listens on both."""
EXTRA = 0.15
"""Seconds that a closed door may add, beside two round trips."""
FACTOR = 1.25
"""What C{connect} may make of the time of plain ssh if the port is open."""

Figures = dict[str, dict[str, list[float]]]
"""Round trip -> way to connect -> milliseconds of each try."""

WAYS: Mapping[str, tuple[int, str, bool]] = {
    "ssh": (FREE, "", True),
    "nc": (FREE, "nc %h %p", True),
    "connect, open": (GUARDED, "sealed", True),
    "connect, closed, sealed": (GUARDED, "sealed", False),
    "connect, closed, sealed, round trip known": (GUARDED, "sealed-known", False),
    "connect, closed, plain": (GUARDED, "plain", False),
    "connect, closed, plain, round trip known": (GUARDED, "plain-known", False),
}
"""Way to connect -> its port, its ProxyCommand or profile, and whether the door is open."""


def measure(tries: int) -> Figures:
    """Let all ways take turns, over each path."""
    return {name: _measurePath(seconds, tries) for name, seconds in ROUND_TRIPS.items()}


def _measurePath(roundTrip: float, tries: int) -> dict[str, list[float]]:
    with makeNetwork() as network, ExitStack() as stack:
        stack.enter_context(delayed(network.client, network.server, roundTrip))
        stack.enter_context(_serving(network))
        _writeProfile(network, roundTrip)
        times: dict[str, list[float]] = {name: [] for name in WAYS}
        for turn in range(tries + 1):
            for name in WAYS:
                took = _timeOne(network, name)
                if turn:  # the first one reads files into memory
                    times[name].append(took * 1000)
        return times


@contextmanager
def _serving(network: Network) -> Iterator[None]:
    """Have an sshd, a daemon with a plain and a sealed door, and an agent meanwhile."""
    folder = network.folder
    for name in ("host", "user"):
        network.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "sshd_config").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nPort {GUARDED}\n"
        f"Port {FREE}\nStrictModes no\nUsePAM no\nPidFile none\nMaxStartups 1000\n"
    )
    network.server.run("mkdir", "-p", "/run/sshd")
    sshd = network.server.spawn("/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config"))
    assert sshd.says(f"Server listening on :: port {FREE}"), sshd.log()
    (folder / "keys").write_text((folder / "user.pub").read_text())
    (folder / "keys").chmod(0o600)
    (folder / "doors.toml").write_text(
        f'[doors.plain]\nsequence = "{KNOCKS}"\nports = [{GUARDED}]\n'
        'open_for = "1h"\nsessions = "cut"\n'
        f'[doors.sealed]\nsequence = "{_sealedSequence()}"\nports = [{GUARDED}]\n'
        f'open_for = "1h"\nsessions = "cut"\nauthorized_keys = "{folder}/keys"\n'
    )
    (folder / "doors.toml").chmod(0o600)
    Daemon(network.server, "--conf", str(folder / "doors.toml"))
    path = str(folder / "agent")
    network.client.spawn("ssh-agent", "-D", "-a", path).says("SSH_AUTH_SOCK")
    network.client.environment["SSH_AUTH_SOCK"] = path
    network.client.environment |= {"HOME": str(folder), **withBytecode(folder)}
    network.client.run("env", f"SSH_AUTH_SOCK={path}", "ssh-add", "-q", str(folder / "user"))
    yield


def _sealedSequence() -> str:
    return ",".join(str(int(port) + 1000) for port in KNOCKS.split(","))


def _writeProfile(network: Network, roundTrip: float) -> None:
    """Write the profiles of the server; the usual one knows nothing of the path."""
    folder = network.folder / ".config" / "pkdoors"
    folder.mkdir(parents=True)
    text = ""
    for name, lines in (
        ("plain", f'sequence = "{KNOCKS}"'),
        ("sealed", f'sequence = "{_sealedSequence()}"\nidentity = "agent"\ndoor = "sealed"'),
    ):
        for end, more in (("", ""), ("-known", f'round_trip = "{roundTrip * 1000:.0f}ms"\n')):
            text += f'[hosts.{name}{end}]\naddress = "{THERE}"\n{lines}\n{more}'
    (folder / "hosts.toml").write_text(text)
    (folder / "hosts.toml").chmod(0o600)


def _timeOne(network: Network, name: str) -> float:
    """Return the seconds that ssh takes in one of the ways."""
    port, way, isOpen = WAYS[name]
    socket = ("--admin", str(network.folder / "admin.sock"))
    pkdoors = str(BIN / "pkdoors")
    network.server.run(pkdoors, "close", "--all", *socket)
    if isOpen:
        network.server.run(pkdoors, "open", HERE, "--door", "plain", *socket)
    proxy = way if " " in way else f"{pkdoors} connect {way} %p"
    folder = network.folder
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": f"{folder}/known",
        "IdentityFile": f"{folder}/user",
        "IdentityAgent": "none",
        **({"ProxyCommand": proxy} if way else {}),
    }
    command = ["ssh", "-F", "none", "-p", str(port), f"root@{THERE}", "true"]
    for key, value in options.items():
        command[1:1] = ["-o", f"{key}={value}"]
    began = time.monotonic()
    status, output = network.client.status(*command)
    took = time.monotonic() - began
    if status:
        raise AssertionError(f"{name}: ssh ended with {status}: {output}")
    return took


def describe(figures: Figures) -> str:
    """Return a table for each path; its last column has the limit."""
    lines = []
    width = max(map(len, WAYS))
    for path, times in figures.items():
        plain = statistics.median(times["ssh"])
        most = {True: FACTOR * plain, False: plain + 2000 * ROUND_TRIPS[path] + 1000 * EXTRA}
        lines.append(f"{'ms, median':{width}}{path:>9}{'more':>9}{'allowed':>9}")
        for name, tries in times.items():
            took = statistics.median(tries)
            allowed = f"{most[WAYS[name][2]]:9.0f}" if name.startswith("connect") else ""
            lines.append(f"{name:{width}}{took:9.0f}{took - plain:9.0f}{allowed}")
    return "\n".join(lines)
