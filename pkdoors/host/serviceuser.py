"""The user of the service: which user it is, and which files belong to it."""

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
"""The name of the user and of its group."""
FLEET_NAME = "pkdoors-fleet"
"""The same of the process that connects the host with its fleet."""

# Never wait for the other end of a FIFO, and never follow a link.
_CAREFUL = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_libc = ctypes.CDLL(None)


def findServiceGroup() -> int | None:
    """Return the number of the service's group; L{None} if there is no group, and so no service."""
    return _findGroup(NAME)


def findFleetGroup() -> int | None:
    """Return the same for the process that connects the host with its fleet."""
    return _findGroup(FLEET_NAME)


def _findGroup(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def letRead(descriptor: int) -> bool:
    """
    Let the service read an open file or folder, but not write it; nobody else but its owner may.

    @return: whether the service can read it now: not if there is no service, or we are not root.
    """
    return letGroupRead(descriptor, findServiceGroup())


def letGroupRead(descriptor: int, group: int | None) -> bool:
    """Do the same for another group."""
    if group is None or os.geteuid():
        return False
    os.fchown(descriptor, -1, group)
    mode = os.fstat(descriptor).st_mode
    os.fchmod(descriptor, stat.S_IMODE(mode) & ~0o037 | (0o050 if stat.S_ISDIR(mode) else 0o040))
    return True


def openOwn(path: str | os.PathLike[str], flags: int) -> int:
    """
    Create or open a file of the daemon's own; see L{actAsOwner} for the owner of a new one. Links
    in its place are not followed, neither symbolic ones nor hard ones, nor other users' links on
    the way there; see L{openFolder}.

    @raise OSError: it cannot be opened, or is not a file of ours.
    """
    above, name = os.path.split(path)
    folder = openFolder(above)
    try:
        with actAsOwner(folder):
            # Empty it only once it is known to be ours.
            wanted = flags & ~os.O_TRUNC | os.O_CREAT | _CAREFUL
            file = os.open(name, wanted, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        status = os.fstat(file)
        refuseOddFile(status)
        if status.st_uid not in (0, os.geteuid(), _findServiceUser()):
            raise PermissionError(errno.EPERM, "it belongs to another user")
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
    except OSError:
        os.close(file)
        raise
    return file


def refuseOddFile(status: os.stat_result) -> None:
    """
    Check that it is a file with one name only: in a folder that others can write, they could link
    the name to another file.

    @raise OSError: it is not.
    """
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if status.st_nlink != 1:
        raise OSError(errno.EMLINK, "it has other names, too: it is a hard link")


@contextmanager
def actAsOwner(folder: str | os.PathLike[str] | int) -> Iterator[None]:
    """
    Take away from root, meanwhile, all rights to files that the service does not have, if a folder
    belongs to the service. So new files belong to the service, which must be able to use them; and
    if the service puts a link in the way, the link cannot make root change what the service itself
    could not.

    In any other folder root keeps its rights: others must not get the daemon's files.

    @param folder: its path, or a descriptor of it.

    @raise OSError: the folder does not exist, or we may not act for another user.
    """
    owner = os.stat(os.curdir if folder == "" else folder)
    if os.geteuid() or owner.st_uid != _findServiceUser():
        yield
        return
    try:
        _actFor(owner.st_uid, owner.st_gid)
        yield
    finally:
        _actFor(0, os.getegid())


def _findServiceUser() -> int | None:
    try:
        return pwd.getpwnam(NAME).pw_uid
    except KeyError:
        return None


def _actFor(user: int, group: int) -> None:
    """
    Take the rights of a user to files, with C{setfsuid(2)}, in this thread only: other threads go
    on as root, with its right to change the firewall.
    """
    _libc.setfsgid(group)
    _libc.setfsuid(user)
    if _libc.setfsuid(-1) != user:  # setfsuid() itself does not report a failure
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
