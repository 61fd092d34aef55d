"""
What the engine must allow: a user for each host, who can do no more than the host needs. Pure.

A host writes its own streams, and claims; it reads those of all. So a stolen host can put nothing
into another's log.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.config.fleet import Engine
from pkdoors.fleet.streams import Streams

NOBODY = "user default off"
"""The line without which anybody who reaches the engine can do everything."""


class Server(NamedTuple):
    """
    A program that can be the engine, as Debian installs it.

    @ivar package: its package and its service.
    @ivar name: of its folder in C{/etc}, of its file there, and of its user.
    """

    package: str
    name: str

    @property
    def folder(self) -> str:
        """Where its files are."""
        return f"/etc/{self.name}"

    @property
    def conf(self) -> str:
        """Its configuration."""
        return f"{self.folder}/{self.name}.conf"

    @property
    def users(self) -> str:
        """Its users, a line each."""
        return f"{self.folder}/users.acl"

    @property
    def certificate(self) -> str:
        """Its certificate."""
        return f"{self.folder}/tls.crt"

    @property
    def key(self) -> str:
        """The key of its certificate."""
        return f"{self.folder}/tls.key"


REDIS = Server("redis-server", "redis")
VALKEY = Server("valkey-server", "valkey")


def makeUser(fleet: str, host: str, password: str) -> str:
    """
    Return the line that makes a host a user of the engine. It does not hold the password itself.

    @param fleet: the name of the fleet.
    """
    streams = Streams(fleet)
    kinds = (streams.log, streams.orders, streams.events)
    words = [
        f"#{hashlib.sha256(password.encode()).hexdigest()}",
        "resetkeys",
        "resetchannels",
        "-@all",
        "+ping",
        "+info",
        _allow("xadd", "W", (kind(host) for kind in kinds)),
        _allow("xread +xrange +xrevrange", "R", (kind("*") for kind in kinds)),
        _allow("set", "W", (streams.up(host), streams.claim("*"))),
        _allow("get", "R", [streams.up("*")]),
    ]
    return f"user {host} on {' '.join(words)}"


def _allow(commands: str, right: str, names: Iterable[str]) -> str:
    """
    Return a selector: some commands for some names. With all commands for all names a host could
    put something else in place of its streams, and no other host could read them.
    """
    return f"(+{commands} {' '.join(f'%{right}~{name}' for name in names)})"


def listLines(engine: Engine, server: Server) -> list[str]:
    """Return the lines that the engine's configuration needs: users, TLS, and a log on disk."""
    ports = [f"port {engine.port}"]
    if engine.isTls:
        ports = [
            "port 0",
            f"tls-port {engine.port}",
            f"tls-cert-file {server.certificate}",
            f"tls-key-file {server.key}",
            "tls-auth-clients no",
        ]
    return [
        "bind * -::*",
        *ports,
        f"aclfile {server.users}",
        "appendonly yes",
        "appendfsync everysec",
    ]
