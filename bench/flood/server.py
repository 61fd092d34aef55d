"""The daemons that are flooded, and what they cost."""

import random
from collections.abc import Sequence

from twisted.conch.ssh.keys import Key

from bench.common import KNOCKS, PROTECTED, SEQUENCE
from pkdoors.adminclient.client import AdminClient
from tests.lab.costs import processorTime, resident, tracked
from tests.lab.hosts import Daemon, Network
from tests.lab.sealing import makeKey, publicLine

DOORS = ("ssh", "web", "sql", "irc")
"""The sealed doors of the daemon with many doors, all on one sequence."""
PLAIN_SEQUENCE = tuple(port + 5000 for port in SEQUENCE)
PLAIN_PROTECTED = PROTECTED + 1
"""The sequence of its plain door, and the port behind it."""
KEYS = {"ed25519": 120, "ecdsa521": 128, "rsa4096": 8}
"""How many keys of each kind it has."""


def optionsOfOneDoor(network: Network, key: Key, isSealed: bool) -> list[str]:
    """Return the options of a daemon with one door."""
    options = ["--magic-seq", KNOCKS, "--ports", str(PROTECTED), "--firewall", "nftables"]
    if isSealed:
        keys = network.folder / "authorized_keys"
        keys.write_text(publicLine(key))
        options += ["--authorized-keys", str(keys)]
    return options


def optionsOfManyDoors(network: Network, key: Key) -> list[str]:
    """Return the options of a daemon with many doors and keys, the given one among them."""
    keys = network.folder / "many_keys"
    if not keys.exists():
        others = [makeKey(kind) for kind, count in KEYS.items() for _ in range(count)][1:]
        lines = [publicLine(known) for known in (*others, key)]
        random.shuffle(lines)
        keys.write_text("".join(lines))
    text = 'firewall = "nftables"\n'
    for number, name in enumerate(DOORS):
        text += _door(name, SEQUENCE, PROTECTED + 10 * number) + f'authorized_keys = "{keys}"\n'
    text += _door("plain", PLAIN_SEQUENCE, PLAIN_PROTECTED)
    file = network.folder / "hard.toml"
    file.write_text(text)
    file.chmod(0o600)
    return ["-c", str(file)]


def _door(name: str, sequence: Sequence[int], port: int) -> str:
    return f"[doors.{name}]\nsequence = {list(sequence)}\nports = [{port}]\n"


class Server:
    """A daemon that is flooded."""

    def __init__(self, network: Network, options: Sequence[str]) -> None:
        """Start it, with an empty firewall."""
        self._host = network.server
        self._host.status("nft", "flush", "ruleset")
        self._admin = f"{network.folder}/admin.sock"
        self._daemon = Daemon(self._host, *options, "--admin", self._admin)
        if not self._daemon.says("AdminSite starting"):
            raise AssertionError(self._daemon.log())
        self._pid = self._daemon.process.popen.pid

    def processorTime(self) -> float:
        """Return the seconds of a processor that it has used."""
        return processorTime(self._pid)

    def resident(self) -> float:
        """Return the megabytes that it has resident."""
        return resident(self._pid)

    def dropped(self) -> dict[str, int]:
        """Return how many datagrams were dropped, by reason; see C{GET /status}."""
        return dict(AdminClient(self._admin).status()["counters"]["dropped"])

    def tracked(self) -> int:
        """Return how many connections the host tracks."""
        return tracked(self._host)

    def stop(self) -> None:
        """End the daemon."""
        self._daemon.stop()
