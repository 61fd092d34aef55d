"""Who asks for something. Pure."""

import re
from dataclasses import dataclass

MAX_NOTE = 127
"""Bytes of a comment of nftables; libnftnl's NFTNL_UDATA_COMMENT_MAXLEN, less its end."""


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Somebody, as far as known.

    @ivar name: a key's comment, or what else there is; it may be empty.
    @ivar key: the fingerprint of the SSH key; empty where there was none.
    """

    name: str = ""
    key: str = ""

    def __str__(self) -> str:
        if not self.key:
            return self.name
        return f"{self.name or 'a key without a comment'} ({self.key})"

    def isOther(self, who: "Principal") -> bool:
        """Return whether this is known to be somebody else; a comment of a key may change."""
        return self != NOBODY and (self.key or self.name) != (who.key or who.name)

    def asComment(self) -> str:
        """Return a comment for nftables: ASCII without quotes, bounded; see L{parsePrincipal}."""
        text = f"{self.key} {self.name}".strip()
        return re.sub(r"[^ !#-\[\]-~]", "?", text)[:MAX_NOTE]


def parsePrincipal(note: str) -> Principal:
    """Who it was, of a L{Principal.asComment}."""
    key, _, name = note.partition(" ")
    return Principal(name, key) if key.startswith("SHA256:") else Principal(note)


NOBODY = Principal()
"""Nobody knows who: a plain knock tells nothing."""
OPERATOR = Principal("the operator")
"""Who has the admin socket."""
