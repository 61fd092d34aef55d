"""Principals: those who ask for something. Pure."""

import re
from dataclasses import dataclass

MAX_COMMENT = 127
"""Bytes of a comment in nftables: libnftnl's NFTNL_UDATA_COMMENT_MAXLEN without its null byte."""

_UNFIT = re.compile(r"[^ !#-\[\]-~]")


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Somebody who asks for an opening, as far as known.

    @ivar name: a key's comment, or another name; it may be empty.
    @ivar key: the fingerprint of the SSH key; empty without a key.
    """

    name: str = ""
    key: str = ""

    def __str__(self) -> str:
        if not self.key:
            return self.name
        return f"{self.name or 'a key without a comment'} ({self.key})"

    def isOther(self, who: "Principal") -> bool:
        """Return whether this is certainly somebody else; the comment of a key may change."""
        return self != NOBODY and (self.key or self.name) != (who.key or who.name)

    def asComment(self) -> str:
        """Return a comment for nftables: ASCII without quotes, bounded; see L{parsePrincipal}."""
        text = f"{self.key} {self.name}".strip()
        return _UNFIT.sub("?", text)[:MAX_COMMENT] if text else ""


def parsePrincipal(comment: str) -> Principal:
    """Return the principal of a L{Principal.asComment}."""
    key, _, name = comment.partition(" ")
    return Principal(name, key) if key.startswith("SHA256:") else Principal(comment)


NOBODY = Principal()
"""An unknown principal, as of a plain knock."""
OPERATOR = Principal("the operator")
"""Everybody who can use the admin socket."""
