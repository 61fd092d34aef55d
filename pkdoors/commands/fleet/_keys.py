"""The key that an operator bans: by its fingerprint, its file, or the comment in a list of keys."""

import os
import re
from argparse import Namespace
from typing import TYPE_CHECKING

from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.files.reading import readFile
from pkdoors.util.quoting import shown

if TYPE_CHECKING:  # it loads all the cryptography
    from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

MAX_FILE = 1 << 16
"""Bytes of a file with one public key."""

_FINGERPRINT = re.compile("SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]")


def findFingerprint(text: str, options: Namespace) -> str:
    """
    Return the fingerprint of the key that a text means.

    @param text: a fingerprint; a file that holds one public key; or the comment of a key that can
        open a door of this host.
    @raise BadValue: it means none, or several.
    """
    if text.startswith("SHA256:"):
        if not _FINGERPRINT.fullmatch(text):
            raise BadValue(
                f"{shown(text)} is not a fingerprint: copy all 50 characters of it, as "
                "`ssh-keygen -lf FILE.pub` and `pkdoors status --json` print them"
            )
        return text
    if os.path.exists(text):
        return _readFingerprint(text)
    return _findByComment(text, options)


def _readFingerprint(path: str) -> str:
    from pkdoors.locks.sealed.keylines import parseAuthorizedKeys

    try:
        content = readFile(path, MAX_FILE).text()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadValue(f"cannot read {path}: {reason}") from error
    keys, complaints = parseAuthorizedKeys(content, path)
    found = {key.who.key for key in keys}
    if len(found) == 1:
        return found.pop()
    if complaints and not found:
        raise BadValue(complaints[0])
    raise BadValue(
        f"{path} has {len(found)} public keys: name a file with one, such as a .pub file"
    )


def _findByComment(text: str, options: Namespace) -> str:
    keys = {key.who.key: key for key in _listKeys(options) if key.comment == text}
    if len(keys) == 1:
        return next(iter(keys))
    if keys:
        raise BadValue(
            f"{len(keys)} keys have the comment {shown(text)}: give the fingerprint of one "
            f"({', '.join(keys)})"
        )
    raise BadValue(
        f"{shown(text)} is neither a fingerprint (SHA256:...), nor a file, nor the comment of a "
        "key that can open a door of this host: `pkdoors fleet status --json` shows the "
        "fingerprints of the keys that have opened"
    )


def _listKeys(options: Namespace) -> "list[AuthorizedKey]":
    """Return the keys that can open the doors of this host, as far as they can be read."""
    from pkdoors.config.config import CONF_FILE
    from pkdoors.config.file import readConfig
    from pkdoors.keysources.keypath import readAll

    found: list[AuthorizedKey] = []
    try:
        doors = readConfig(options.conf or CONF_FILE).doors
    except PkdoorsError:
        return found
    for path in {path for door in doors for path in door.authorizedKeys}:
        try:
            found += readAll(path)[0]
        except PkdoorsError:
            continue
    return found
