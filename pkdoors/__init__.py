"""A port-knocking daemon for Linux, and its client."""

from pkdoors._version import __version__

__all__ = ["__version__"]
