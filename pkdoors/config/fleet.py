"""What the operator wants of a fleet: which hosts there are, and which engine they share. Pure."""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pkdoors.errors import BadValue
from pkdoors.model.fleetnames import checkFleetHost
from pkdoors.model.names import checkHost
from pkdoors.util.quoting import shown

ENGINE_PORT = 6379
"""The port of Redis and Valkey, unless the URL has another."""
MAX_HOSTS = 1024
"""Hosts of one fleet: each reads a stream of each of them."""
LOCAL, REFUSE = "local", "refuse"
WHEN_ALONE = (LOCAL, REFUSE)
"""What happens to knocks that need the engine while it is away."""

_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SCHEMES = {"redis": False, "rediss": True}
_EXAMPLE = "write it like rediss://web1@redis.example:6379"


class Engine(NamedTuple):
    """
    Where the engine is.

    @ivar host: its name or address.
    @ivar user: the user that this host logs in as; empty for the host's name, if it has a
        password.
    @ivar isTls: whether it is reached by TLS.
    """

    host: str
    port: int = ENGINE_PORT
    user: str = ""
    isTls: bool = True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"redis{'s' if self.isTls else ''}://{user}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """
    A fleet, as one of its hosts sees it.

    @ivar name: of the fleet.
    @ivar host: the name of this host in the fleet.
    @ivar hosts: the hosts of the fleet, this one among them.
    @ivar engine: where the engine is.
    @ivar password: the path of the file with this host's password; empty for none.
    @ivar ca: the path of the certificates that vouch for the engine's; empty for the system's.
    @ivar trust: the hosts whose word counts for the address of a seal that does not name it.
    @ivar operators: the path of the keys that can give orders; empty for none.
    @ivar whenAlone: one of L{WHEN_ALONE}.
    """

    name: str
    host: str
    hosts: tuple[str, ...]
    engine: Engine
    password: str = ""
    ca: str = ""
    trust: tuple[str, ...] = ()
    operators: str = ""
    whenAlone: str = LOCAL

    def __post_init__(self) -> None:
        if self.host not in self.hosts:
            raise BadValue(
                f"it lacks {self.host!r}, the name of this host: list all hosts of the fleet, or "
                "correct the name",
                "hosts",
            )
        unknown = [host for host in self.trust if host not in self.hosts]
        if unknown:
            raise BadValue(
                f"{unknown[0]!r} is not one of the hosts: add it there, or remove it here", "trust"
            )
        if self.ca and not self.engine.isTls:
            raise BadValue(
                "it is for an engine with TLS: use rediss:// in engine, or remove this", "ca"
            )

    @property
    def user(self) -> str:
        """The user of the engine that this host logs in as; empty if it does not log in."""
        return self.engine.user or (self.host if self.password else "")

    @property
    def location(self) -> Engine:
        """The engine, with the user that this host logs in as."""
        return self.engine._replace(user=self.user)


def parseFleetHosts(texts: list[str]) -> tuple[str, ...]:
    """Read the names of hosts; one that is given twice counts once."""
    hosts = tuple(dict.fromkeys(map(checkFleetHost, texts)))
    if len(hosts) > MAX_HOSTS:
        raise BadValue(f"it has {len(hosts)} hosts, {MAX_HOSTS} are allowed: make several fleets")
    return hosts


def parseEngine(text: str) -> Engine:
    """Read the URL of the engine."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise BadValue(f"{shown(text)} is not the URL of an engine: {_EXAMPLE}") from None
    if url.scheme not in _SCHEMES or not url.hostname:
        raise BadValue(f"{shown(text)} is not the URL of an engine: {_EXAMPLE}")
    if url.password is not None:
        raise BadValue(
            "it has a password in it, and this file is not a secret: write the password into a "
            "file of its own, and name that with password"
        )
    if url.path not in ("", "/") or url.query or url.fragment or port == 0:
        raise BadValue(f"it has more than a user, a host and a port: {_EXAMPLE}")
    user = unquote(url.username or "")
    if user and not _USER.fullmatch(user):
        raise BadValue(
            f"{shown(user)} is not a user of an engine: use letters, digits, ., - and _, a letter "
            "or digit first"
        )
    return Engine(checkHost(url.hostname), port or ENGINE_PORT, user, _SCHEMES[url.scheme])


def parseWhenAlone(text: str) -> str:
    """Read what happens to knocks that need the engine while it is away."""
    if text not in WHEN_ALONE:
        raise BadValue(
            f"{shown(text)} is neither {LOCAL} (knocks open this host's doors as ever) nor "
            f"{REFUSE} (they are refused if they could open another host's, too)"
        )
    return text
