"""
What the engine must allow: a user for each host, who can do no more than the host needs. Pure.

A host writes its own streams, and claims; it reads those of all. So a stolen host can put nothing
into another's log.
"""

import hashlib
from typing import NamedTuple

from pkdoors.config.fleet import Engine
from pkdoors.fleet.streams import Streams

COMMANDS = ("ping", "xadd", "xread", "xrange", "xrevrange", "set", "get", "info")
"""All that a host asks of the engine."""
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
    each = (streams.log, streams.orders, streams.events, streams.up)
    keys = [f"%RW~{name(host)}" for name in each] + [f"%R~{name('*')}" for name in each]
    words = [
        f"#{hashlib.sha256(password.encode()).hexdigest()}",
        "resetkeys",
        "resetchannels",
        "-@all",
        *(f"+{command}" for command in COMMANDS),
        *keys,
        f"%RW~{streams.claim('*')}",
    ]
    return f"user {host} on {' '.join(words)}"


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
