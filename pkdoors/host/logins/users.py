"""
The user who runs a command, also through sudo, and files that are read with that user's rights:
root must not be led to read what the user may not.
"""

import json
import os
import pwd
import select
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn

from pkdoors.errors import PkdoorsError
from pkdoors.files.reading import readFile
from pkdoors.files.trust import findFlaw
from pkdoors.util.durations import formatDuration

MAX_BYTES = 1 << 20
"""Of one file with a user's keys: two thousand of them."""
TIMEOUT = 10.0
"""Seconds to read a user's files, which can be on a disk that does not answer."""

_CALLERS = ("SUDO_UID", "PKEXEC_UID")
"""Variables with the number of the user who became root."""
_CHUNK = 1 << 16


class User(NamedTuple):
    """A user of this host."""

    name: str
    uid: int
    gid: int
    home: str


class UserFile(NamedTuple):
    """
    A user's file.

    @ivar trouble: why it was not read, as half a sentence; empty if it was.
    """

    path: str
    text: str = ""
    trouble: str = ""


def findUser(environment: Mapping[str, str], name: str = "") -> User:
    """
    Return a user: the named one, or the one who runs this, whoever they have become by sudo, doas
    or pkexec.

    @raise PkdoorsError: there is no such user.
    """
    name = name or (environment.get("DOAS_USER", "") if os.geteuid() == 0 else "")
    uid = os.geteuid()
    if uid == 0:
        numbers = [environment.get(variable, "") for variable in _CALLERS]
        uid = next((int(text) for text in numbers if text.isascii() and text.isdigit()), uid)
    try:
        found = pwd.getpwnam(name) if name else pwd.getpwuid(uid)
    except (KeyError, ValueError, OverflowError):
        raise PkdoorsError(
            f"this host has no user {name or uid}: use --user NAME for one that it has"
        ) from None
    return User(found.pw_name, found.pw_uid, found.pw_gid, found.pw_dir)


def readAs(user: User, paths: Iterable[str]) -> list[UserFile]:
    """
    Read those files of a user that exist, with the user's rights. As sshd does, refuse files that
    somebody else could have written.

    @raise PkdoorsError: that did not work, or took too long.
    """
    wanted = [*paths]
    if user.uid == os.geteuid():
        return _readAll(wanted)
    groups = os.getgrouplist(user.name, user.gid)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(user, groups, wanted, writing)
    os.close(writing)
    try:
        answer = _receive(reading, time.monotonic() + TIMEOUT, MAX_BYTES * (2 + 8 * len(wanted)))
        found = json.loads(answer)
        if isinstance(found, str):
            raise ValueError(found)
        return [UserFile(*item) for item in found]
    except ValueError as error:
        reason = "that failed" if isinstance(error, json.JSONDecodeError) else str(error)
        raise PkdoorsError(
            f"cannot read {', '.join(wanted)} with the rights of {user.name} ({reason}): run this "
            "as that user"
        ) from None
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        # It is not waited for: the disk that it reads may never answer.
        os.waitpid(child, os.WNOHANG)


def _answer(user: User, groups: list[int], paths: list[str], writing: int) -> NoReturn:
    """In a process of its own: become the user for good, and write what the files hold."""
    try:
        data = json.dumps(_readFor(user, groups, paths)).encode()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)  # nothing of the process that forked may run here


def _readFor(user: User, groups: list[int], paths: list[str]) -> list[UserFile] | str:
    """Return what the files hold, or why that is unknown."""
    try:
        os.setgroups(groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        return _readAll(paths)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _receive(reading: int, until: float, most: int) -> bytes:
    """
    Return everything that comes through a pipe.

    @raise ValueError: it does not end in time, or is too much.
    """
    data, poll = b"", select.poll()  # select() knows only the first 1024 descriptors
    poll.register(reading, select.POLLIN)
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        chunk = os.read(reading, _CHUNK)
        if not chunk:
            return data
        data += chunk
        if len(data) > most:
            raise ValueError("they are too large")
    raise ValueError(f"that took more than {formatDuration(TIMEOUT)}")


def _readAll(paths: Iterable[str]) -> list[UserFile]:
    return [found for found in map(_read, paths) if found is not None]


def _read(path: str) -> UserFile | None:
    try:
        flaw = findFlaw(path)
        if flaw is not None:
            return UserFile(path, trouble=str(flaw))
        return UserFile(path, readFile(path, MAX_BYTES).text("replace"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return UserFile(path, trouble=error.strerror or "it cannot be read")
    except ValueError as error:  # it is UTF-16, or its path has a null byte
        return UserFile(path, trouble=str(error))
