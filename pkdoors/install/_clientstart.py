"""
The beginning of the client in one file, which runs as its C{__main__}.

Python compiles the modules in a zip file each time they are loaded, which takes as long as all the
rest of a knock. So the file holds the code of most of them, too. Other versions of Python cannot
read that code: they compile the text.
"""

import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER  # importlib.util would load more
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

CODE = "code"
"""The folder in the file with the code, for each version of Python."""


class CodeFinder:
    """
    Finds modules, no packages, among those that are compiled already. See C{importlib.abc}, which
    would load much more.

    @param codes: the name of each module -> its code, as C{marshal} writes it.
    @param place: the path of the file.
    """

    def __init__(self, codes: dict[str, bytes], place: str) -> None:
        self._codes = codes
        self._place = place

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """Return how to load a module."""
        loader: Any = self
        return ModuleSpec(name, loader, origin=self._place) if name in self._codes else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make it."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        exec(marshal.loads(self._codes[module.__name__]), vars(module))


def useCode(loader: Any) -> None:
    """Take modules from the code in the file, if it is for this version of Python."""
    try:
        data = loader.get_data(f"{loader.archive}/{CODE}/{MAGIC_NUMBER.hex()}")
    except OSError:
        return
    sys.meta_path.insert(0, CodeFinder(marshal.loads(data), loader.archive))
