"""The keys for a new sealed door: those that may already log in."""

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from pkdoors.errors import PkdoorsError

if TYPE_CHECKING:  # these load cryptography, and Linux
    from pkdoors.host.logins.users import User, UserFile
    from pkdoors.keysources.loginkeys import LoginKey

_HEAD = """\
# The keys that may knock, in the format of sshd's authorized_keys. `pkdoors init` copied them from
# those that may log in as {user}. Options like from="192.0.2.0/24",doors="ssh" can be before a key.
"""


class KeyCopy(NamedTuple):
    """
    A new file of keys, not written yet.

    @ivar text: its contents; empty if the file exists already and stays as it is.
    @ivar report: what to print about the keys.
    """

    path: str
    text: str
    report: str


def copyKeys(path: str, settings: dict[str, list[str]], user: "User", isCaller: bool) -> KeyCopy:
    """
    Return a file with the keys that may log in as a user and may knock.

    @param path: of the new file.
    @param settings: what sshd answered, see L{pkdoors.host.logins.sshd.askSshd}.
    @param isCaller: whether the user is the one who logged in, as far as known.
    @raise PkdoorsError: there is no such key.
    """
    from pkdoors.host.logins.sshd import listKeyFiles
    from pkdoors.host.logins.users import readAs

    if os.path.lexists(path):
        report = f"{path} exists already and stays as it is: its keys can knock.\n"
        return KeyCopy(path, "", report)
    places = listKeyFiles(settings, user)
    files = readAs(user, places)
    keys, complaints = _readKeys(files, user.name)
    if not keys:
        complaints += _listOtherWays(settings)
        raise PkdoorsError(_explainNone(user, places, complaints, isCaller))
    head = _HEAD.format(user=user.name)
    text = head + "".join(f"{key.line}\n" for key in keys)
    return KeyCopy(path, text, _report(path, keys, complaints, user))


def _listOtherWays(settings: dict[str, list[str]]) -> list[str]:
    """Return which other keys sshd accepts, without a file of the user's that lists them."""
    ways = {
        "authorizedkeyscommand": "sshd asks a program for keys (AuthorizedKeysCommand), which "
        "is not asked here",
        "trustedusercakeys": "sshd accepts certificates (TrustedUserCAKeys): for them, use "
        "--sealed FILE with a cert-authority line",
    }
    return [text for name, text in ways.items() if settings.get(name, ["none"]) != ["none"]]


def _readKeys(files: Iterable["UserFile"], user: str) -> tuple[list["LoginKey"], list[str]]:
    """Return the keys in all files, each once, and why others cannot knock."""
    from pkdoors.keysources.loginkeys import readLoginKeys

    keys: dict[bytes, LoginKey] = {}
    complaints: list[str] = []
    for file in files:
        if file.trouble:
            complaints.append(f"{file.path} is not read: {file.trouble}")
            continue
        found, refused = readLoginKeys(file.text, file.path, user)
        complaints += refused
        for key in found:
            keys.setdefault(key.key.blob, key)
    return [*keys.values()], complaints


def _report(
    path: str, keys: Collection["LoginKey"], complaints: Collection[str], user: "User"
) -> str:
    from pkdoors.util.oneline import limitLines

    count = "This key" if len(keys) == 1 else f"These {len(keys)} keys"
    lines = [f"{count} can log in as {user.name}, and can now knock ({path}):"]
    lines += [f"  {_describe(key)}" for key in keys]
    if complaints:
        lines += ["These cannot knock:"]
        lines += [f"  {line}" for line in limitLines([*complaints], "such lines")]
    return "".join(f"{line}\n" for line in lines)


def _describe(key: "LoginKey") -> str:
    parts = [f"{key.key.who.key} {key.key.comment or '(no comment)'} ({key.kind})"]
    if key.kept:
        parts.append(f"with {key.kept}")
    if key.removed:
        parts.append(f"without {', '.join(key.removed)}, which means nothing for a knock")
    return ", ".join(parts)


def _explainNone(
    user: "User", places: Iterable[str], complaints: Collection[str], isCaller: bool
) -> str:
    looked = ", ".join(places)
    why = f"looked in {looked}" if looked else "AuthorizedKeysFile in sshd_config names no file"
    if complaints:
        first, *others = complaints
        why = f"{first}; and {len(others)} more" if others else first
    other = "" if isCaller else ", or name another user with --user NAME"
    return (
        f"no SSH key of {user.name} can knock ({why}): make a key on the client with `ssh-keygen "
        f"-t ed25519` and copy it here with `ssh-copy-id {user.name}@HOST`{other}, or use --plain "
        "for a door that a sequence alone opens"
    )
