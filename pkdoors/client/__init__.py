"""
C{pkdoors knock} and C{pkdoors connect}, which users run on their own machines, and L{knock} for
programs. C{docs/client-api.md} describes what stays as it is; everything else may change.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pkdoors.client.api import Outcome, close, knock
    from pkdoors.errors import BadValue, KnockError, NoAddress, NoKey, NotOpen
    from pkdoors.model.sequence import Sequence

__all__ = [
    "BadValue",
    "KnockError",
    "NoAddress",
    "NoKey",
    "NotOpen",
    "Outcome",
    "Sequence",
    "close",
    "knock",
]


def __getattr__(name: str) -> Any:
    """Load what somebody asks for, and Twisted only then: the commands do without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Sequence":
        from pkdoors.model.sequence import Sequence

        return Sequence
    if name in ("Outcome", "close", "knock"):
        from pkdoors.client import api

        return getattr(api, name)
    from pkdoors import errors

    return getattr(errors, name)


def __dir__() -> list[str]:
    """List also the names that are loaded when somebody uses them."""
    return sorted({*globals(), *__all__})
