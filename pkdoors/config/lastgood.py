"""
A copy of the last configuration that was good, as far as the guard needs it: what a daemon that
cannot read its configuration keeps closed.

There is one copy for each configuration file, so that nobody is locked out by what another file
once said, nor on a host where pkdoors never ran. It has the knock ports, without their order.
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
from pkdoors.host.bootid import readBoot
from pkdoors.host.serviceuser import openOwn, refuseStrange
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePort, parsePortRanges
from pkdoors.model.sequence import Sequence

STATE = Path("/var/lib/pkdoors")
"""What has to survive a boot: a sealed knock from before it must open nothing after it, and what
was closed stays so."""

MAX_BYTES = 1 << 22
"""Of a copy: thousands of doors."""

_PREFIX = "lastgood-"
_UNFIT = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What is raised where a copy cannot be read, or is none."""
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h


class LastGood:
    """
    The copy for one configuration.

    @param folder: where it is; only the daemon's user, and root, can write there.
    @param file: the configuration file; empty if all was said by options and the environment. Then
        the copy is for this network namespace, since nothing else tells two such daemons apart.
    """

    _log = Logger()

    def __init__(self, folder: Path, file: str) -> None:
        self._folder = folder
        self._file = file
        name = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
        self._path = folder / f"{_PREFIX}{name}.json"
        self._written: str | None = None

    def write(self, doors: Iterable[Door]) -> None:
        """Keep a copy; if that fails, say so, and go on."""
        text = json.dumps(
            {"file": self._file, **_where(), "doors": [_saved(each) for each in doors]}
        )
        if text == self._written:
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
        """Return the doors of the copy; none if there is no copy, or none for this daemon."""
        try:
            return _doorsOf(_read(self._path), self._file)
        except (*_UNFIT, PkdoorsError):
            return ()


def forget(folder: Path) -> None:
    """Remove the copies of this network namespace: what was released is not closed again."""
    for path in folder.glob(f"{_PREFIX}*.json"):
        with suppress(*_UNFIT):
            if _isHere(json.loads(_read(path))):
                path.unlink()


def _saved(door: Door) -> dict[str, Any]:
    return {
        "name": door.name,
        "ports": [str(each) for each in door.ports],
        "knock_ports": sorted(door.sequence.ports),
        "cut": door.cutSessions,
        "udp_idle": door.udpIdle,
        "udp_max": door.udpMax,
        "keys": door.authorizedKeys,
        "rate": door.knockRate,
        "burst": door.knockBurst,
    }


def _doorsOf(text: str, file: str) -> tuple[Door, ...]:
    table = json.loads(text)
    if table["file"] != file or not (file or _isHere(table)):
        return ()
    return tuple(
        Door(
            each["name"],
            Sequence(tuple(parsePort(str(port)) for port in each["knock_ports"])),
            parsePortRanges(",".join(each["ports"])),
            cutSessions=each["cut"] is True,
            udpIdle=float(each["udp_idle"]),
            udpMax=float(each["udp_max"]),
            udpGrace=0.0,  # these ports were protected before
            authorizedKeys=str(each["keys"]),
            knockRate=int(each["rate"]),
            knockBurst=int(each["burst"]),
        )
        for each in table["doors"]
    )


def _where() -> dict[str, Any]:
    """
    Return which boot and which network namespace this is. Another one may be given the number of a
    gone one's file in /proc, but never its cookie.
    """
    boot = readBoot()
    with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
        cookie = asking.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        return {"boot": boot, "network": cookie.hex()}
    return {"boot": boot, "network": os.stat("/proc/self/ns/net").st_ino}


def _isHere(table: Any) -> bool:
    """Tell whether a copy is of this network namespace: another boot numbers them anew."""
    here = _where()
    return bool(table.get("boot") != here["boot"] or table.get("network") == here["network"])


def _read(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(file, "rb") as opened:
        status = os.fstat(file)
        refuseStrange(status)
        owners = {0, os.geteuid(), path.parent.stat().st_uid}
        if status.st_uid not in owners or status.st_mode & 0o022:
            raise ValueError("others could have written it")
        return opened.read(MAX_BYTES).decode()


def _writeAll(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
