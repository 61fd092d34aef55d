"""
Finds the address that the operator's own ssh comes from, for C{pkdoors open me}.

A user who may run only C{pkdoors open me} as root must not open a door for any other address. So
nothing counts that such a user can make up. What counts is the socket of root's sshd among the
ancestors of this process. Under C{tmux} and the like sshd is not an ancestor; then
C{SSH_CONNECTION} counts, but only if it names a connection that root's sshd has now, for the same
login. If nobody has logged in, as in a multiplexer that a boot started, root can name any such
connection. But root is only a process that no user has started: a user's sudo whose parent has
ended has root's ancestors alone, and the user has chosen its variables.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.host.procnet import ESTABLISHED, parseSockets
from pkdoors.model.addresses import Address, canonicalize

VARIABLE = "SSH_CONNECTION"
"""The variable in which sshd passes on both ends of its connection; C{ssh(1)}."""
_PROGRAMS = ("sshd", "sshd-session")
_NO_LOGIN = "4294967295"
_BEHIND = ("SUDO_UID", "PKEXEC_UID", "DOAS_USER")
"""Variables in which sudo, pkexec and doas name the user who has started a command."""
_ROOT = ("", "0", "root")
_DEPTH = 100
"""Ancestors that are looked at."""
_NOT_FOUND = (
    "your ssh connection cannot be found, so it is unknown who `me` is: give the address instead "
    "(`me` works in a session of ssh, also with sudo)"
)


class Connection(NamedTuple):
    """A connection of sshd."""

    peer: Address
    peerPort: int
    here: Address
    port: int


def findSshOrigin(environment: Mapping[str, str], proc: Path = Path("/proc")) -> Address:
    """
    Return the address that the operator's ssh comes from.

    @raise BadValue: there is no ssh, or it comes from this host itself.
    """
    processes = _Processes(proc)
    ancestors = list(processes.ancestors())
    found = _ofAncestor(processes, ancestors) or _ofVariable(processes, ancestors, environment)
    if found is None:
        raise BadValue(_NOT_FOUND)
    if found.is_loopback:
        raise BadValue(
            f"your ssh comes from {found}, which is this host itself: give the address instead"
        )
    return found


def _ofAncestor(processes: "_Processes", ancestors: list[str]) -> Address | None:
    """Return the other end of the nearest sshd above this process."""
    for pid in filter(processes.isSshd, ancestors):
        # The lowest descriptor is the client's connection; forwarded ones come later.
        for connection in processes.connections(pid):
            return connection.peer
    return None


def _ofVariable(
    processes: "_Processes", ancestors: list[str], environment: Mapping[str, str]
) -> Address | None:
    """Return what the variable says, if it is true and concerns the same login."""
    texts = [environment.get(VARIABLE, ""), *map(processes.variable, ancestors)]
    claims = [claim for claim in map(_parse, texts) if claim is not None]
    login = processes.login("self")
    isUnbidden = all(environment.get(name, "") in _ROOT for name in _BEHIND)
    isRoot = isUnbidden and all(map(processes.isRoot, ["self", *ancestors]))
    for pid in filter(processes.isSshd, processes.all() if claims else ()):
        if processes.login(pid) == login if login != _NO_LOGIN else isRoot:
            true = set(processes.connections(pid))
            for claim in claims:
                if claim in true:
                    return claim.peer
    return None


def _parse(text: str) -> Connection | None:
    """Return the connection that the variable names; L{None} if it names none."""
    try:
        peer, peerPort, here, port = text.split()
        ends = [ip_address(canonicalize(address)) for address in (peer, here)]
        return Connection(ends[0], int(peerPort), ends[1], int(port))
    except ValueError:
        return None


class _Processes:
    """What the kernel reports of processes; what cannot be read is absent."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc

    def ancestors(self) -> Iterator[str]:
        """Yield the processes above this one, from below."""
        pid = "self"
        for _ in range(_DEPTH):
            pid = self._status(pid).get("PPid", "0")
            if pid == "0":
                return
            yield pid

    def all(self) -> Iterator[str]:
        """Yield all processes."""
        return (folder.name for folder in self._proc.glob("[0-9]*"))

    def isRoot(self, pid: str) -> bool:
        """Return whether a process has root's rights alone, in all respects."""
        return set(self._status(pid).get("Uid", "?").split()) == {"0"}

    def isSshd(self, pid: str) -> bool:
        """Return whether a process is root's sshd."""
        with suppress(OSError):
            program = os.readlink(self._proc / pid / "exe").removesuffix(" (deleted)")
            return program.rpartition("/")[2] in _PROGRAMS and self.isRoot(pid)
        return False

    def login(self, pid: str) -> str:
        """Return the user who logged in, whoever that became since; L{_NO_LOGIN} if unknown."""
        with suppress(OSError):
            return (self._proc / pid / "loginuid").read_text().strip()
        return _NO_LOGIN

    def variable(self, pid: str) -> str:
        """Return the variable of a process."""
        with suppress(OSError):
            for item in (self._proc / pid / "environ").read_bytes().split(b"\0"):
                name, _, value = item.decode(errors="replace").partition("=")
                if name == VARIABLE:
                    return value
        return ""

    def connections(self, pid: str) -> list[Connection]:
        """Return the established TCP connections of a process, by their descriptors."""
        with suppress(OSError):
            files = sorted((self._proc / pid / "fd").iterdir(), key=lambda file: int(file.name))
            targets = [os.readlink(file) for file in files]
            there = self._established(pid)
            return [there[target] for target in targets if target in there]
        return []

    def _established(self, pid: str) -> dict[str, Connection]:
        """Return the established connections of the network of a process, by C{socket:[INODE]}."""
        found = {}
        for name in ("tcp", "tcp6"):
            with suppress(OSError):  # the kernel may have no IPv6
                for socket in parseSockets((self._proc / pid / "net" / name).read_text()):
                    if socket.state == ESTABLISHED:
                        ends = (*socket.peer, socket.address, socket.port)
                        found[f"socket:[{socket.inode}]"] = Connection(*ends)
        return found

    def _status(self, pid: str) -> dict[str, str]:
        with suppress(OSError):
            lines = (self._proc / pid / "status").read_text(errors="replace").splitlines()
            pairs = (line.partition(":") for line in lines)
            return {name: value.strip() for name, _, value in pairs}
        return {}
