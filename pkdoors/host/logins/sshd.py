"""Asks this host's sshd where it listens, and which files list the keys that may log in."""

import re
import subprocess
from contextlib import suppress
from shutil import which

from pkdoors.errors import BadValue
from pkdoors.host.logins.users import User
from pkdoors.host.proc import Proc
from pkdoors.host.procnet import LISTENS
from pkdoors.model.ports import parsePort

SSH_PORT = 22
TIMEOUT = 10.0
"""Seconds for sshd to print its settings; it takes a few milliseconds."""
KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
"""sshd's default for C{AuthorizedKeysFile}; C{sshd_config(5)}."""

_PLACES = "/usr/local/sbin:/usr/sbin:/sbin"
_TOKEN = re.compile("%(.)")

Settings = dict[str, list[str]]


def askSshd(user: User) -> Settings:
    """
    Return the settings that sshd has for a login of a user from this host: for each keyword, in
    small letters, its values. Empty if there is no sshd, or it does not answer, as it does only to
    root.
    """
    program = which("sshd") or which("sshd", path=_PLACES)
    if program is None:
        return {}
    # With a user, a host and an address, blocks with Match count, too.
    who = f"user={user.name},host=localhost,addr=127.0.0.1"
    try:
        answer = subprocess.run(
            [program, "-T", "-C", who],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    settings: Settings = {}
    for line in answer.stdout.decode(errors="replace").splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value.strip())
    return settings


def findSshPorts(settings: Settings, proc: Proc) -> list[int]:
    """
    Return the TCP ports on which sshd accepts logins from other hosts: those of its settings on
    which somebody listens, or those on which a process of sshd listens, since its settings may have
    changed after its start. If there is neither, those of its settings, or else the usual one.
    """
    sockets = [
        each for each in proc.readSockets("tcp") if each.state == LISTENS and not each.isLocal()
    ]
    wanted: list[int] = []
    for text in settings.get("port", ()):
        with suppress(BadValue):
            wanted.append(parsePort(text))
    if heard := {*wanted} & {each.port for each in sockets}:
        return sorted(heard)
    owners = proc.findOwners({each.inode for each in sockets})
    names = {inode for inode, owner in owners.items() if owner.name == "sshd"}
    own = {each.port for each in sockets if each.inode in names}
    return sorted(own) or sorted({*wanted}) or [SSH_PORT]


def listKeyFiles(settings: Settings, user: User) -> list[str]:
    """Return the files with the keys that may log in as a user."""
    (given, *_) = settings.get("authorizedkeysfile", [" ".join(KEY_FILES)])
    names = [] if given == "none" else given.split()
    return [_expand(name, user) for name in names]


def _expand(name: str, user: User) -> str:
    """Return the path that a name means; C{sshd_config(5)}, "TOKENS"."""
    values: dict[str, str] = {"%": "%", "h": user.home, "u": user.name, "U": str(user.uid)}

    def expand(match: re.Match[str]) -> str:
        return values.get(match[1], match[0])

    path = _TOKEN.sub(expand, name.strip('"'))
    return path if path.startswith("/") else f"{user.home}/{path}"
