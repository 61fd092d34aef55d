"""A port-knocking daemon for Linux, and its client."""

TYPE_CHECKING = False  # the name is enough, and typing takes longer to load than all of this

if TYPE_CHECKING:
    from pkdoors._version import __version__

__all__ = ["__version__"]


def __getattr__(name: str) -> object:
    """Load the version when somebody asks for it: its library takes as long as all of a knock."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pkdoors._version import __version__

    return __version__
