"""
SHA-256 and SHA-512 from Python's own code. Pure.

C{hashlib} loads OpenSSL's library, which costs a client a third of its memory. What a client hashes
is shorter than a page, so the speed does not matter to it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["sha256", "sha512"]

_MODULES = "_sha2", "_{}", "hashlib"
"""Python's own code since 3.12 and before that; the last is for a Python that was built without."""


def _find(name: str) -> Any:
    for module in _MODULES:
        try:
            return getattr(import_module(module.format(name)), name)
        except ImportError:
            continue
    raise ImportError(name)


if TYPE_CHECKING:
    from hashlib import sha256, sha512
else:
    sha256, sha512 = _find("sha256"), _find("sha512")
