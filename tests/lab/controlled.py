"""A daemon with a configuration file, and its admin interface, as curl has it."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from pkdoors.config.parser import parseConfig
from pkdoors.firewall.guard.openingkeys import identify
from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import Daemon, Process, eventually, listens

WEB_SEQUENCE = (18001, 18203, 18005, 18404, 18002, 18009)
SHARING = (SEQUENCE[0], *SEQUENCE[:1:-1], SEQUENCE[1])
"""The same ports as L{SEQUENCE}, in another order."""
MANY = [f"10.7.{number // 250}.{number % 250 + 1}" for number in range(1000)]
"""Addresses."""
WEB = 2223
"""Another protected port."""


def door(name: str, sequence: tuple[int, ...] = SEQUENCE, port: int = PORT, more: str = "") -> str:
    """A door, as the file has it; for a minute, where nothing else is said."""
    times = "" if "open_for" in more else 'open_for = "1m"\n'
    return f"[doors.{name}]\nsequence = {list(sequence)}\nports = [{port}]\n{times}{more}\n"


SSH = door("ssh")


class ControlledTestCase(RealTestCase):
    """With programs that listen on two ports, and a daemon with an admin socket."""

    def setUp(self) -> None:
        """Have both."""
        super().setUp()
        self.file = self.folder / "pkdoors.toml"
        self.socket = self.folder / "admin.sock"
        self.listeners = {port: self.server.serve(port) for port in (PORT, WEB)}

    def write(self, *doors: str, more: str = "") -> None:
        """Write the file, all of it at once."""
        new = self.file.with_suffix(".new")
        text = f'firewall = "{self.firewall}"\nadmin = "{self.socket}"\n{more}\n'
        new.touch(0o600)
        new.write_text(text + "\n".join(doors))
        os.replace(new, self.file)

    def controlled(self, *doors: str, more: str = "") -> Daemon:
        """Start the daemon with some doors."""
        self.write(*doors, more=more)
        options = ("-c", str(self.file), "--admin", str(self.socket), "--listen", self.listen)
        daemon = Daemon(self.server, *options)
        self.assertTrue(daemon.says("AdminSite starting"), daemon.log())
        # Twisted says so before it listens.
        self.assertTrue(eventually(lambda: listens(self.socket)), daemon.log())
        return daemon

    def curl(self, path: str, *options: str) -> tuple[int, str]:
        """Ask; the status of HTTP, and what came."""
        command = ("curl", "-sS", "--max-time", "60", "--unix-socket", str(self.socket))
        output = self.server.run(
            *command, "-w", "\n%{http_code}", f"http://pkdoors{path}", *options
        )
        body, _, status = output.rpartition("\n")
        return int(status), body

    def ask(self, path: str, *options: str) -> Any:
        """Ask for what is granted."""
        status, body = self.curl(path, *options)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def refused(self, path: str, *options: str) -> tuple[int, str]:
        """Ask for what is not; the status of HTTP, and the sentence."""
        status, body = self.curl(path, *options)
        answer = json.loads(body)
        self.assertEqual(list(answer), ["error"])
        return status, str(answer["error"])

    def reload(self) -> list[str]:
        """Reload; what changed."""
        changes: list[str] = self.ask("/reload", "-X", "POST")["changes"]
        return changes

    def open(self, source: str, name: str = "ssh", seconds: int = 600) -> Any:
        """Open a door for an address."""
        wanted = {"source": source, "door": name, "seconds": seconds}
        return self.ask("/openings", "-d", json.dumps(wanted))["opening"]

    def openMany(self, sources: Sequence[str]) -> None:
        """Open the one door for many addresses, for ten minutes."""
        config = self.folder / "curl"
        one = '--next\nurl="http://pkdoors/openings"\nunix-socket="{}"\ndata="{}"\nsilent\n'
        wanted = (json.dumps({"source": each, "seconds": 600}) for each in sources)
        texts = (each.replace('"', '\\"') for each in wanted)
        config.write_text("".join(one.format(self.socket, each) for each in texts))
        self.server.run("curl", "-sS", "-K", str(config))

    def openings(self) -> set[tuple[str, str]]:
        """Door and address of all that is open, as the daemon says."""
        return {(each["door"], each["source"]) for each in self.ask("/openings")["openings"]}

    def inKernel(self) -> set[tuple[str, str]]:
        """Door and address of all that is open, as the kernel says; nothing without a guard."""
        status, text = self.server.status("nft", "-j", "list", "table", "inet", "pkdoors")
        listing = json.loads(text) if status == 0 else {"nftables": []}
        sets = {
            each["set"]["name"]: [element["elem"]["val"] for element in each["set"].get("elem", [])]
            for each in listing["nftables"]
            if "set" in each and each["set"]["name"].startswith(("openings", "tcp_open"))
        }
        looked = {key["concat"][0] for name in sets if "_" in name for key in sets[name]}
        names = {identify(door): door.name for door in parseConfig(self.file.read_text(), "").doors}
        found = set()
        for source, *marks in (
            key["concat"] for version in (4, 6) for key in sets.get(f"openings{version}", [])
        ):
            identity = b"".join(mark.to_bytes(4, sys.byteorder) for mark in marks)[:-1]
            if source in looked:
                found.add((names.get(identity, identity.hex()), source))
        return found

    def follow(self, query: str = "") -> Process:
        """Follow the events."""
        command = ("curl", "-sS", "-N", "--unix-socket", str(self.socket))
        following = self.server.spawn(*command, f"http://pkdoors/events{query}")
        self.assertTrue(following.says(": pkdoors"), following.log())
        return following

    def told(self, following: Process) -> list[dict[str, Any]]:
        """The events that were told so far."""
        lines = following.log().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
