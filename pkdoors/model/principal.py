"""Principals: those who ask for something. Pure."""

import re
from dataclasses import dataclass, field

MAX_COMMENT = 127
"""Bytes of a comment in nftables: libnftnl's NFTNL_UDATA_COMMENT_MAXLEN without its null byte."""

_UNFIT = re.compile(r"[^ !#-\[\]-~]")

# The name comes last, as it may be cut; only a key's principal has an address, so a name of anybody
# else cannot look like one.
_COMMENT = re.compile(r"(?:from=([0-9a-f.:]+) )?(SHA256:\S*) ?(.*)")


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Somebody who asks for an opening, as far as known.

    @ivar name: a key's comment, or another name; it may be empty.
    @ivar key: the fingerprint of the SSH key; empty without a key.
    @ivar address: the address that it asked from, if the opening is not for just that one.
    @ivar authority: the fingerprint of the authority that certified the key; empty if none did, or
        if an earlier daemon knew.
    """

    name: str = ""
    key: str = ""
    address: str = ""
    authority: str = field(default="", compare=False, repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys without which it could not ask."""
        return tuple(filter(None, (self.key, self.authority)))

    def __str__(self) -> str:
        if not self.key:
            return self.name
        origin = f" from {self.address}" if self.address else ""
        return f"{self.name or 'a key without a comment'} ({self.key}){origin}"

    def isOther(self, who: "Principal") -> bool:
        """Return whether this is certainly somebody else; the comment of a key may change."""
        return self != NOBODY and (self.key or self.name) != (who.key or who.name)

    def asComment(self) -> str:
        """Return a comment for nftables: ASCII without quotes, bounded; see L{parsePrincipal}."""
        origin = f"from={self.address} " if self.key and self.address else ""
        text = f"{origin}{self.key} {self.name}".strip()
        return _UNFIT.sub("?", text)[:MAX_COMMENT] if text else ""


def parsePrincipal(comment: str) -> Principal:
    """Return the principal of a L{Principal.asComment}."""
    match = _COMMENT.fullmatch(comment)
    return Principal(match[3], match[2], match[1] or "") if match else Principal(comment)


NOBODY = Principal()
"""An unknown principal, as of a plain knock."""
OPERATOR = Principal("the operator")
"""Everybody who can use the admin socket."""
