"""Who asks for something. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Who:
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


NOBODY = Who()
"""Nobody knows who: a plain knock tells nothing."""
OPERATOR = Who("the operator")
"""Who has the admin socket."""
