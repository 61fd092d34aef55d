"""
Access control lists: let one more group use a file, C{acl(5)}. The owner of a file can do that
without being in the group, and without a privilege.
"""

import os
import struct
from pathlib import Path

NAME = "system.posix_acl_access"
"""The extended attribute, as the kernel has it: <linux/posix_acl_xattr.h>."""
_VERSION = 2
_USER_OBJ, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF  # for entries that name nobody
READ, WRITE, PASS = 4, 2, 1


def letOwnerAndGroup(path: str | Path, owner: int, group: int, rights: int) -> None:
    """
    Let the owner of a file or folder use it, and one group; nobody else, whatever its mode was.
    C{ls} then shows what the group may as the rights of the file's own group, which has none.

    @param owner: what the owner may: a sum of L{READ}, L{WRITE} and L{PASS}.
    @param group: the number of the group.
    @param rights: what the group may, likewise.
    @raise OSError: we are not the owner, or the file system has no such lists.
    """
    entries = (
        (_USER_OBJ, owner, _NOBODY),
        (_GROUP_OBJ, 0, _NOBODY),
        (_GROUP, rights, group),
        (_MASK, rights, _NOBODY),
        (_OTHER, 0, _NOBODY),
    )
    value = struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *each) for each in entries)
    os.setxattr(path, NAME, value)
