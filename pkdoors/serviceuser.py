"""The user that the daemon runs as where it is a service: who that is, and what becomes its own."""

import grp
import os
import stat

NAME = "pkdoors"
"""Of the user and of its group."""


def serviceGroup() -> int | None:
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
    group = serviceGroup()
    if group is None or os.geteuid():
        return False
    os.fchown(descriptor, -1, group)
    mode = os.fstat(descriptor).st_mode
    os.fchmod(descriptor, stat.S_IMODE(mode) & ~0o037 | (0o050 if stat.S_ISDIR(mode) else 0o040))
    return True


def openOwn(path: str | os.PathLike[str], flags: int) -> int:
    """
    Make or open a file of the daemon's own. It comes to belong to whom its folder belongs to: what
    root leaves there, the service has to be able to use. Nobody's link in its place is followed.
    """
    file = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if not os.geteuid():
        folder = os.stat(os.path.dirname(path))
        os.fchown(file, folder.st_uid, folder.st_gid)
    return file
