"""
A copy of the last good configuration, as far as the guard needs it: a daemon that cannot read its
configuration keeps these ports closed.

There is one copy for each configuration file, so that nobody is locked out by the former content of
another file, or on a host where pkdoors never ran. It has the knock ports, but not their order.
"""

import hashlib
import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.host.bootid import readBootId
from pkdoors.host.serviceuser import openOwn, refuseOddFile
from pkdoors.model.doors import Door
from pkdoors.model.knockports import parseKnockPort, sortPorts
from pkdoors.model.ports import NO_PORTS, parseDoorPorts
from pkdoors.model.sequence import Sequence
from pkdoors.model.trusted import parseTrustedList

STATE = Path("/var/lib/pkdoors")
"""The folder for what must survive a boot: a sealed knock from before the boot must open nothing
after it, and closed ports must stay closed."""

MAX_BYTES = 1 << 26
"""Of a copy: it says more of a door than a file must, see L{pkdoors.config.config.MAX_CONF}."""

_PREFIX = "lastgood-"
_UNFIT = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""The errors that mean that a copy cannot be read, or is not one."""
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h


class LastGood:
    """
    The copy for one configuration.

    @param folder: holds the copy; only the daemon's user, and root, can write there.
    @param file: the configuration file; empty if options and the environment say everything. Then
        the copy is for this network namespace, since nothing else distinguishes two such daemons.
    """

    _log = Logger()

    def __init__(self, folder: Path, file: str) -> None:
        self._folder = folder
        self._file = file
        name = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
        self._path = folder / f"{_PREFIX}{name}.json"
        self._written: str | None = None

    def write(self, doors: Iterable[Door]) -> None:
        """Write a copy; if that fails, log it and go on."""
        text = json.dumps(
            {
                "file": self._file,
                **_identifyNetwork(),
                "doors": [*map(_serialize, doors)],
            }
        )
        if text == self._written:
            with suppress(OSError):  # unless somebody has removed it
                os.utime(self._path)  # see isOlder
                return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            file = openOwn(new, os.O_WRONLY | os.O_TRUNC)
            try:
                _writeAll(file, text.encode())
                os.fsync(file)  # or a power cut may leave an empty one in its place
            finally:
                os.close(file)
            new.replace(self._path)
            self._written = text
        except OSError as error:
            self._log.warn(
                "cannot write {path} ({reason}): if the configuration is broken at the next boot, "
                "nothing keeps the ports closed",
                path=self._path,
                reason=error.strerror,
            )

    def read(self) -> tuple[Door, ...]:
        """Return the doors of the copy; none if this daemon has no copy."""
        try:
            return _parseDoors(_read(self._path), self._file)
        except (*_UNFIT, PkdoorsError):
            return ()

    def isOlder(self) -> bool:
        """
        Return whether the configuration file was changed after the daemon wrote the copy, which it
        does whenever it has read the file; false if one of them is missing.
        """
        try:
            return self._path.stat().st_mtime < os.stat(self._file).st_mtime
        except FileNotFoundError:
            return False


def removeCopies(folder: Path) -> None:
    """Remove the copies of this network namespace: released ports are not closed again."""
    for path in folder.glob(f"{_PREFIX}*.json"):
        with suppress(*_UNFIT):
            if _isHere(json.loads(_read(path))):
                path.unlink()


def _serialize(door: Door) -> dict[str, Any]:
    return {
        "name": door.name,
        "ports": [*map(str, door.ports)] or [NO_PORTS],
        "knock_ports": [*map(str, sortPorts(door.sequence.ports))],
        "cut": door.cutSessions,
        "once": door.once,
        "udp_idle": door.udpIdle,
        "udp_max": door.udpMax,
        "trusted": [*map(str, door.trusted)],
        "keys": [*door.authorizedKeys],
        "rate": door.knockRate,
        "burst": door.knockBurst,
        "fleet": door.fleet,
        "listens": door.listens,
    }


def _parseDoors(text: str, file: str) -> tuple[Door, ...]:
    table = json.loads(text)
    if table["file"] != file or not (file or _isHere(table)):
        return ()
    return tuple(
        Door(
            saved["name"],
            Sequence(tuple(parseKnockPort(str(port)) for port in saved["knock_ports"])),
            parseDoorPorts(",".join(saved["ports"])),
            cutSessions=saved["cut"] is True,
            once=saved.get("once") is True,  # a copy of an earlier version does not say
            udpIdle=float(saved["udp_idle"]),
            udpMax=float(saved["udp_max"]),
            udpGrace=0.0,  # these ports were protected before
            trusted=parseTrustedList(",".join(saved.get("trusted", []))),
            authorizedKeys=_readKeys(saved["keys"]),
            knockRate=int(saved["rate"]),
            knockBurst=int(saved["burst"]),
            fleet=saved.get("fleet") is True,
            listens=saved.get("listens") is not False,
        )
        for saved in table["doors"]
    )


def _readKeys(saved: Any) -> tuple[str, ...]:
    """Return the paths of keys; a copy of an earlier version has one, or an empty one for none."""
    return tuple(map(str, saved)) if isinstance(saved, list) else tuple(filter(None, [str(saved)]))


def _identifyNetwork() -> dict[str, Any]:
    """
    Return which boot and which network namespace this is. A new namespace can get the inode number
    that a former one had in /proc, but never its cookie.
    """
    boot = readBootId()
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        cookie = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        return {"boot": boot, "network": cookie.hex()}
    return {"boot": boot, "network": os.stat("/proc/self/ns/net").st_ino}


def _isHere(table: Any) -> bool:
    """Return whether a copy may be of this network namespace: each boot numbers them afresh."""
    here = _identifyNetwork()
    return bool(table.get("boot") != here["boot"] or table.get("network") == here["network"])


def _read(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(file, "rb") as opened:
        status = os.fstat(file)
        refuseOddFile(status)
        owners = {0, os.geteuid(), path.parent.stat().st_uid}
        if status.st_uid not in owners or status.st_mode & 0o022:
            raise ValueError("other users could have written it")
        return opened.read(MAX_BYTES).decode()


def _writeAll(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
