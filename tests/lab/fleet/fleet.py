"""A fleet: an engine, hosts that share a door, a client and a stranger."""

import time
from datetime import datetime
from ipaddress import IPv4Network
from itertools import islice
from os import urandom
from pathlib import Path
from typing import Any

from pkdoors.fleet.access import NOBODY, makeUser
from pkdoors.knocks.order import NAMESPACE, Order, packOrder
from pkdoors.knocks.seal import frameMessage
from tests.lab.case import PORT, SEQUENCE
from tests.lab.fleet.engine import Engine
from tests.lab.fleet.lan import Lan
from tests.lab.fleet.member import Member
from tests.lab.hosts import BIN, eventually
from tests.lab.sealing import makeKey, publicLine, sealed

FLEET = "prod"
ENGINE, CLIENT, STRANGER = 1, 101, 102
"""The last numbers of the addresses on the network; the hosts of the fleet have 11, 12, ..."""


SOURCES = IPv4Network("10.78.0.0/16")
"""Addresses for many knocks."""


def passwordOf(name: str) -> str:
    """Return the password of a host for the engine."""
    return f"password-of-{name}"


class Fleet:
    """
    An engine, hosts of a fleet, a client and a stranger on one network.

    @ivar key: opens the door, for anna@laptop.
    @ivar operator: gives orders.
    @ivar members: the hosts of the fleet by name.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        *,
        program: str = "redis-server",
        trust: tuple[str, ...] = (),
        whenAlone: str = "local",
        door: str = "",
        others: tuple[str, ...] = (),
    ) -> None:
        """
        Make the hosts, the keys and the files.

        @param names: the hosts of the fleet. Those whose names begin with C{edge} hear knocks, the
            others listen on no UDP port.
        @param program: the engine's.
        @param trust: the hosts whose word counts for the address of an unbound seal.
        @param whenAlone: what happens to unbound seals if the engine is away.
        @param door: more settings of the door.
        @param others: more hosts, which nobody makes.
        """
        self.names = names
        self.lan = Lan(folder, 30)
        self.client = self.lan.add("client", CLIENT)
        self.stranger = self.lan.add("stranger", STRANGER)
        self.key, self.operator = makeKey(), makeKey()
        self.keys = folder / "authorized_keys"
        self.keys.write_text(publicLine(self.key))
        self.operators = folder / "operators"
        self.operators.write_text(publicLine(self.operator, "olga@desk"))
        address = self.lan.address(ENGINE)
        self.engine = Engine(self.lan.add("engine", ENGINE), address, program)
        self.passwords = {name: passwordOf(name) for name in (*names, *others)}
        common = f'trust = {list(trust)}\nwhen_alone = "{whenAlone}"\n'
        self.members = {
            name: self._makeMember(name, last, door, common) for last, name in enumerate(names, 11)
        }

    def start(self) -> None:
        """Start everything, and wait until all hosts are connected to the engine."""
        self.engine.start(self.engineLines())
        for member in self.members.values():
            member.startDaemon()
        for member in self.members.values():
            member.startRelay()
        if not self.comeUp():
            raise AssertionError(f"the fleet did not start:\n{self.logs()}")

    def command(self, name: str, *arguments: str) -> str:
        """Run C{pkdoors fleet} on a host, with the operator's key; return what it says."""
        key = self.keys.with_name("operator.key")
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(self.operator.toString("openssh"))
        verb, *rest = arguments
        conf = ("-c", str(self.members[name].file))
        signing = ("-i", str(key)) if verb in ("close", "ban", "unban") else ()
        return self.members[name].host.run(
            str(BIN / "pkdoors"), "fleet", verb, *conf, *signing, *rest
        )

    def close(self) -> None:
        """End everything."""
        self.lan.close()

    def _makeMember(self, name: str, last: int, door: str, common: str) -> Member:
        member = Member(name, self.lan.add(name, last), self.lan.address(last))
        listens = "" if name.startswith("edge") else "listen = false\n"
        member.write(
            f"[doors.ssh]\nsequence = {list(SEQUENCE)}\nports = [{PORT}]\nfleet = true\n{listens}"
            f'authorized_keys = "{self.keys}"\n{door}',
            f'name = "{FLEET}"\nhost = "{name}"\nhosts = {[*self.passwords]}\n'
            f'engine = "{self.engine.url}"\npassword = "{member.folder}/password"\n'
            f'ca = "{self.engine.authority.file}"\noperators = "{self.operators}"\n{common}',
            self.passwords[name],
        )
        return member

    def engineLines(self) -> list[str]:
        """Return what the engine's file needs: TLS, a log on disk, and a user for each host."""
        lines = [
            "port 0",
            "tls-port 6379",
            f"tls-cert-file {self.engine.certificate}",
            f"tls-key-file {self.engine.key}",
            f"tls-ca-cert-file {self.engine.authority.file}",
            "tls-auth-clients no",
            "appendonly yes",
            NOBODY,
        ]
        users = self.passwords.items()
        return [*lines, *(makeUser(FLEET, name, password) for name, password in users)]

    def comeUp(self, *names: str) -> bool:
        """Wait until hosts are connected to the engine, all if none is named."""
        wanted = [f"pk:{FLEET}:up:{name}" for name in names or self.names]
        with self.engine.client() as asking:
            return bool(eventually(lambda: asking.ask("EXISTS", *wanted) == len(wanted)))

    def seal(self, client: int = CLIENT, **fields: Any) -> bytes:
        """Return a sealed knock for the door, bound to a client's address by default."""
        fields = {"door": "ssh", "bind": self.lan.address(client)} | fields
        return sealed(fields.pop("key", self.key), SEQUENCE, **fields)

    def publish(self, host: str, seal: bytes, source: str = "", name: str = "") -> None:
        """
        Write a seal to a host's log, as that host, or whoever has stolen the engine, can do.

        @param name: a host of which the entry claims to come.
        """
        fields = {"s": seal, "a": source.encode(), "t": str(time.time()).encode()}
        if name:
            fields["h"] = fields["host"] = name.encode()
        words = [word for pair in fields.items() for word in pair]
        with self.engine.client() as asking:
            asking.ask("XADD", f"pk:{FLEET}:log:{host}", "*", *words)

    def order(self, verb: str, what: str, **fields: Any) -> bytes:
        """Return an order, signed by the operator's key by default."""
        key = fields.pop("key", self.operator)
        stamp = fields.pop("stamp", int(time.time() * 1000))
        text = Order(fields.pop("fleet", FLEET), verb, what, stamp, urandom(8).hex()).encode()
        algorithm = key.supportedSignatureAlgorithms()[0]
        signature = bytes(key.sign(frameMessage(text, NAMESPACE), algorithm))
        return packOrder(text, key.public().blob(), signature)

    def publishOrder(self, host: str, order: bytes) -> None:
        """Write an order to a host's stream of orders, as whoever has stolen that host can do."""
        with self.engine.client() as asking:
            asking.ask("XADD", f"pk:{FLEET}:orders:{host}", "*", "o", order)

    def isOpen(self, name: str, client: int = CLIENT) -> bool:
        """Return whether a host has an opening for an address."""
        return self.lan.address(client) in self.members[name].openings()

    def comesToBeOpen(self, name: str, client: int = CLIENT) -> bool:
        """Wait until a host has an opening for an address; return whether it came to that."""
        return bool(eventually(lambda: self.isOpen(name, client)))

    def comesToBeShut(self, name: str, client: int = CLIENT) -> bool:
        """Wait until a host has no opening for an address; return whether it came to that."""
        return bool(eventually(lambda: not self.isOpen(name, client)))

    def untils(self, name: str) -> dict[str, float]:
        """Return when the openings of a host end, as times of day, by source."""
        openings = self.members[name].openings()
        return {
            source: datetime.fromisoformat(opening["until"]).timestamp()
            for source, opening in openings.items()
        }

    def addAddress(self, last: int) -> None:
        """Let the client have one more address on the network."""
        self.client.run("ip", "address", "add", f"{self.lan.address(last)}/24", "dev", "lan30")

    def addSources(self, count: int) -> list[str]:
        """Let the client knock from so many addresses more, of another network; return them."""
        self.client.run("ip", "route", "replace", "local", str(SOURCES), "dev", "lo")
        for member in self.members.values():
            route = ("ip", "route", "replace", str(SOURCES), "via", self.lan.address(CLIENT))
            member.host.run(*route)
        return [str(address) for address in islice(SOURCES.hosts(), count)]

    def logs(self) -> str:
        """Return what all programs of the fleet have written."""
        return "\n".join(
            f"--- {name}\n{member.daemon.log()}\n{member.relay.log()}"
            for name, member in self.members.items()
        )
