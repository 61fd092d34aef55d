"""
The beginning of the client in one file, which runs as its C{__main__}.

Python would compile the modules in a zip file each time it loads them, which takes as long as all
the rest of a knock. So the file holds the code of most of them, too. Another version of Python
cannot read that code, and compiles the text.
"""

import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER  # importlib.util would load more
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

CODE = "code"
"""The folder in the file with the code, for each version of Python: the name of each module -> its
code as C{marshal} writes it, or L{None} if there is only its text."""
TEXTS = "modules.txt"
"""The name in the file of the texts of all modules, one after the other: together they take half as
much as each for itself."""
HEAD = "#: "
"""Before the name of a module, in the line before its text."""


class ClientLoader:
    """
    Finds and loads the modules in the file. See C{importlib.abc}, which would load much more.

    @param archive: loads from the file what is not a module.
    """

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._texts: dict[str, str] = {}
        self._codes: dict[str, bytes | None]
        try:
            self._codes = marshal.loads(self._read(f"{CODE}/{MAGIC_NUMBER.hex()}"))
        except OSError:
            self._codes = dict.fromkeys(self._readTexts())
        self._packages = {name.rpartition(".")[0] for name in self._codes}

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """Return how to load a module; L{None} if it is not in the file."""
        if name not in self._codes:
            return None
        loader: Any = self
        isPackage = name in self._packages
        return ModuleSpec(name, loader, origin=self._archive.archive, is_package=isPackage)

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make it."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        name = module.__name__
        code = self._codes[name]
        exec(marshal.loads(code) if code else self._compile(name), vars(module))

    def get_source(self, name: str) -> str:
        """Return the text of a module, for a traceback."""
        return self._readTexts()[name]

    def _compile(self, name: str) -> Any:
        return compile(self.get_source(name), f"pkdoors-knock.pyz/{name}", "exec")

    def _readTexts(self) -> dict[str, str]:
        if not self._texts:
            whole = f"\n{self._read(TEXTS).decode()}"
            parts = [part.split("\n", 1) for part in whole.split(f"\n{HEAD}")[1:]]
            self._texts = {name: f"{text}\n" for name, text in parts}
        return self._texts

    def _read(self, name: str) -> bytes:
        data: bytes = self._archive.get_data(f"{self._archive.archive}/{name}")
        return data


def start(archive: Any) -> None:
    """Let Python find the modules in the file."""
    finder: Any = ClientLoader(archive)
    sys.meta_path.insert(0, finder)
