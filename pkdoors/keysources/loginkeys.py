"""
Keys that may log in, as keys that may knock: from lines of a user's C{authorized_keys} it makes
lines of ours. Pure.

What restricts from where, and until when, a key may log in restricts its knocks, too. What
restricts the session after the login means nothing for a knock.
"""

from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey, parseLine, splitOptions

MAX_LOGIN_KEYS = 200
"""The most keys of one user that are taken: the operator is to look at each of them."""

_KEPT = ("from", "expiry-time")


class LoginKey(NamedTuple):
    """
    A key that may log in, and knock.

    @ivar line: the line for our file.
    @ivar kept: the options in that line.
    @ivar removed: the names of the options that mean nothing for a knock.
    """

    key: AuthorizedKey
    line: str
    kept: str = ""
    removed: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The type of the key."""
        kind: bytes = self.key.key.sshType()
        return kind.decode()


def readLoginKeys(text: str, path: str, user: str) -> tuple[list[LoginKey], list[str]]:
    """
    Return the keys of a file that may knock, and a sentence for each that may not.

    @param user: whom the keys may log in as.
    """
    keys: list[LoginKey] = []
    complaints: list[str] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line or line.startswith("#"):
            continue
        if len(keys) + len(complaints) >= MAX_LOGIN_KEYS:
            complaints.append(f"{path} has more lines: only the first {MAX_LOGIN_KEYS} are read")
            break
        try:
            keys.append(_convert(line, user))
        except BadValue as error:
            complaints.append(f"{path}, line {number}: {error}")
    return keys, complaints


def _convert(line: str, user: str) -> LoginKey:
    options, rest = splitOptions(line)
    if not rest.strip():
        raise BadValue("it has no key")
    names = [name for name, _ in options]
    kept = [f'{name}="{value}"' for name, value in options if name in _KEPT]
    if "cert-authority" in names:
        # For sshd, a certificate must name the user if the line has no principals.
        principals = dict(options).get("principals", user)
        kept += ["cert-authority", f'principals="{principals}"']
    written = {option.partition("=")[0] for option in kept}
    removed = tuple(dict.fromkeys(name for name in names if name not in written))
    text = ",".join(kept)
    whole = " ".join(filter(None, (text, *rest.split())))
    return LoginKey(parseLine(whole), whole, text, removed)
