"""The user that the daemon runs as where it is a service: who that is, and what becomes its own."""

import ctypes
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from pkdoors.files.folders import openFolder

NAME = "pkdoors"
"""Of the user and of its group."""

# Without waiting for the other end of a FIFO, and never through a link.
_CAREFUL = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_libc = ctypes.CDLL(None)


def findServiceGroup() -> int | None:
    """The number of its group; L{None} where there is none, so no service either."""
    try:
        return grp.getgrnam(NAME).gr_gid
    except KeyError:
        return None


def letRead(descriptor: int) -> bool:
    """
    Let the service, and nobody else but its owner, read an open file or folder, and not write it.

    @return: whether it can now: not where there is no service, or we are not root.
    """
    group = findServiceGroup()
    if group is None or os.geteuid():
        return False
    os.fchown(descriptor, -1, group)
    mode = os.fstat(descriptor).st_mode
    os.fchmod(descriptor, stat.S_IMODE(mode) & ~0o037 | (0o050 if stat.S_ISDIR(mode) else 0o040))
    return True


def openOwn(path: str | os.PathLike[str], flags: int) -> int:
    """
    Make or open a file of the daemon's own; see L{actAsOwner} for whose it is then. Nobody's link
    in its place is followed, neither a symbolic one nor a hard one, nor somebody else's on the way
    there; see L{openFolder}.

    @raise OSError: it cannot be opened, or is something else.
    """
    above, name = os.path.split(path)
    folder = openFolder(above)
    try:
        with actAsOwner(folder):
            # Emptied only when it is known that it is ours.
            wanted = flags & ~os.O_TRUNC | os.O_CREAT | _CAREFUL
            file = os.open(name, wanted, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        status = os.fstat(file)
        refuseOddFile(status)
        if status.st_uid not in (0, os.geteuid(), _serviceUser()):
            raise PermissionError(errno.EPERM, "it belongs to another user")
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
    except OSError:
        os.close(file)
        raise
    return file


def refuseOddFile(status: os.stat_result) -> None:
    """
    See that it is a file with one name only: in a folder that others can write, they choose what
    else a name stands for.

    @raise OSError: it is not.
    """
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if status.st_nlink != 1:
        raise OSError(errno.EMLINK, "it has other names, too: it is a hard link")


@contextmanager
def actAsOwner(folder: str | os.PathLike[str] | int) -> Iterator[None]:
    """
    What root does meanwhile in a folder of the service's, it does with no more rights to files than
    the service: what is made comes to belong to that, which has to be able to use it, and a link
    that the service puts in the way leads to nothing that it could not change itself.

    In any other folder root stays what it is: others must not have what is the daemon's.

    @param folder: its path, or a descriptor of it.

    @raise OSError: the folder is not there, or we may not act for another user.
    """
    owner = os.stat(os.curdir if folder == "" else folder)
    if os.geteuid() or owner.st_uid != _serviceUser():
        yield
        return
    try:
        _actFor(owner.st_uid, owner.st_gid)
        yield
    finally:
        _actFor(0, os.getegid())


def _serviceUser() -> int | None:
    try:
        return pwd.getpwnam(NAME).pw_uid
    except KeyError:
        return None


def _actFor(user: int, group: int) -> None:
    """
    C{setfsuid(2)}, which is for this thread alone, and for files alone: the others go on as root,
    with its right to change the firewall.
    """
    _libc.setfsgid(group)
    _libc.setfsuid(user)
    if _libc.setfsuid(-1) != user:  # it does not tell of its own accord
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
