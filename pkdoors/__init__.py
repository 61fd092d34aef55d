"""A port-knocking daemon for Linux, and its client."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pkdoors._version import __version__

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    """Load the version when somebody asks for it: its library takes as long as all of a knock."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pkdoors._version import __version__

    return __version__
