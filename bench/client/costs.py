"""Processor time and memory of whole processes that knock."""

import socket
import statistics
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

from bench.common import KNOCKS, PROTECTED, SEQUENCE, startDaemon, withBytecode
from pkdoors.install.clientfile import makeClientFile
from tests.lab.hosts import BIN, CLIENT4, SERVER4, Host, Network
from tests.lab.program import makeNetwork

BASE = "python: import argparse, socket, tomllib"
FILE = "plain, client in one file"
BOUNDS = {"plain": 2.5, FILE: 2.5, "sealed, agent": 2.5, "connect": 2.5, "sealed, key file": 4.0}
"""What a client may take of the processor time of L{BASE}."""
MEMORY = 1.5
"""The same for the memory; not for a key file, which needs a library."""

OPEN = 2300
"""A port that no door protects."""

Figures = dict[str, dict[str, list[float]]]
"""Command -> kind of figure -> one value for each try: milliseconds, megabytes."""


def measure(tries: int) -> Figures:
    """Let all commands take turns."""
    with makeNetwork() as network:
        network.server.serve(PROTECTED)
        startDaemon(network.server)
        commands = _makeCommands(network)
        figures: Figures = {name: {"user": [], "system": [], "MB": []} for name in commands}
        for turn in range(tries + 1):
            for name, command in commands.items():
                found = _runOnce(network.client, command)
                if turn:  # the first one reads files into memory
                    for kind, value in found.items():
                        figures[name][kind].append(value)
    return figures


def _makeCommands(network: Network) -> Mapping[str, list[str]]:
    key = network.folder / "key"
    network.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    network.client.environment["SSH_AUTH_SOCK"] = _startAgent(network, key)
    network.client.environment |= withBytecode(network.folder)
    Thread(target=_hangUp, args=(network.server.serve(OPEN),), daemon=True).start()
    pkdoors = str(BIN / "pkdoors")
    words = ["knock", SERVER4, "-m", KNOCKS, "--interval", "0"]
    plain = [pkdoors, *words]
    file = network.folder / "client.pyz"
    file.write_bytes(makeClientFile())
    secrets = dict(
        line.split(": ", 1)
        for line in subprocess.run(
            ["fwknop", "--key-gen"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        if ": " in line
    )
    fwknop = (
        f"fwknop --use-hmac --no-rc-file --no-home-dir -A tcp/{PROTECTED} -a {CLIENT4} "
        f"-D {SERVER4} -E {network.folder}/arguments "
        f"--key-base64-rijndael {secrets['KEY_BASE64']} "
        f"--key-base64-hmac {secrets['HMAC_KEY_BASE64']}"
    )
    return {
        BASE: [sys.executable, "-c", "import argparse, socket, tomllib"],
        "python: nothing": [sys.executable, "-c", "pass"],
        "pkdoors: imports of a knock": [
            sys.executable,
            "-c",
            "import pkdoors.commands.knock, pkdoors.client.blocking.driver",
        ],
        "plain": plain,
        FILE: [sys.executable, str(file), *words],
        "sealed, agent": [*plain, "-i", "agent"],
        "sealed, key file": ["env", "-u", "SSH_AUTH_SOCK", *plain, "-i", str(key)],
        "connect": [pkdoors, "connect", SERVER4, str(OPEN), "-m", KNOCKS],
        "Debian's knock": ["knock", SERVER4, *(f"{port}:udp" for port in SEQUENCE)],
        "Debian's fwknop": fwknop.split(),
    }


def _hangUp(listening: socket.socket) -> None:
    """Accept connections, and close them, until the host is gone."""
    with suppress(OSError):
        while True:
            listening.accept()[0].close()


def _startAgent(network: Network, key: Path) -> str:
    path = str(network.folder / "agent")
    agent = network.client.spawn("ssh-agent", "-D", "-a", path)
    agent.says("SSH_AUTH_SOCK")
    network.client.run("env", f"SSH_AUTH_SOCK={path}", "ssh-add", "-q", str(key))
    return path


_LAUNCH = """
import os, sys
child = os.fork()
if not child:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(status, usage.ru_utime * 1000, usage.ru_stime * 1000, usage.ru_maxrss / 1024)
"""
"""Runs a command from a small process: the kernel counts the parent's memory for the child, too."""


def _runOnce(host: Host, command: list[str]) -> dict[str, float]:
    """Run a command, and return what its process took."""
    printed = host.run(sys.executable, "-I", "-S", "-c", _LAUNCH, *command)
    status, user, system, memory = map(float, printed.split())
    if status:
        raise AssertionError(f"{command} ended with {status}")
    return {"user": user, "system": system, "MB": memory}


def describe(figures: Figures) -> str:
    """Return a table: milliseconds of processor time and megabytes, and both as ratios."""
    base = _summarize(figures[BASE])
    width = max(map(len, figures))
    lines = [f"{'':{width}}    user  system   total   times      MB   times"]
    for name, found in figures.items():
        user, system, total, memory = _summarize(found)
        lines.append(
            f"{name:{width}}{user:8.1f}{system:8.1f}{total:8.1f}{total / base[2]:8.2f}"
            f"{memory:8.1f}{memory / base[3]:8.2f}"
        )
    for name, bound in BOUNDS.items():
        _, _, total, memory = _summarize(figures[name])
        isGood = total <= bound * base[2] and (bound > 2.5 or memory <= MEMORY * base[3])
        lines.append(f"{name}: {'within' if isGood else 'BEYOND'} its bound")
    return "\n".join(lines)


def _summarize(found: Mapping[str, list[float]]) -> tuple[float, float, float, float]:
    user, system, memory = (statistics.median(found[kind]) for kind in ("user", "system", "MB"))
    totals = [sum(both) for both in zip(found["user"], found["system"], strict=True)]
    return user, system, statistics.median(totals), memory
