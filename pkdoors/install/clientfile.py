"""
The client in one file, which needs nothing but Python: a zip file that Python can run.

It is the same for everybody: it holds neither a sequence nor a key.
"""

import marshal
import os
import subprocess
import sys
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import pkdoors
from pkdoors.errors import InstallError
from pkdoors.files.reading import readFile
from pkdoors.files.writing import replaceFile
from pkdoors.install._clientmodules import Modules
from pkdoors.install._clientstart import CODE, HEAD, TEXTS

COMMANDS = ("knock", "connect", "sequence")
"""The commands that it has."""
MAX_SIZE = 100_000
"""Bytes. So much can be sent by mail, or pasted into a terminal, without a second thought."""

_ROOTS = ("pkdoors.cli", *(f"pkdoors.commands.{name}" for name in COMMANDS))
_WITHOUT = ("pkdoors.commands.completion",)
"""It answers shells, which complete only the command line of an installed program."""
_FIRST = (*_ROOTS, "pkdoors.client.blocking.driver", "pkdoors.client.keys.signers")
"""Modules that are loaded for most knocks. Their code has precedence, as not all of it fits."""
_START = "pkdoors.install._clientstart"
_UNIX = 3  # the system that modes of files are of
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = """
start(__loader__)
from pkdoors.cli import main
main(inside={inside!r})
"""
_VERSION = """class __version__:
    public = staticmethod(lambda: {version!r})
"""
_COMPILE = """
import marshal, sys
from importlib.util import MAGIC_NUMBER
texts = marshal.load(sys.stdin.buffer)
codes = {
    name: marshal.dumps(compile(text, "pkdoors-knock.pyz/" + name, "exec", dont_inherit=True))
    for name, text in texts.items()
}
marshal.dump((MAGIC_NUMBER, codes), sys.stdout.buffer)
"""


def makeClientFile(python: str = sys.executable) -> bytes:
    """
    Return the file. The same modules give the same bytes.

    @param python: the interpreter for which the file holds code; others take twice as long to start
        it.
    @raise InstallError: it cannot be made.
    """
    modules = Modules(_readSources(), sys.stdlib_module_names)
    names = modules.choose(_ROOTS, _WITHOUT)
    texts = {name: modules.render(name) for name in names}
    texts["pkdoors._version"] = _VERSION.format(version=pkdoors.__version__.public())
    main = modules.render(_START) + _MAIN.format(inside=COMMANDS)
    whole = "".join(f"{HEAD}{name}\n{text}" for name, text in sorted(texts.items()))
    files = {"__main__.py": main.encode(), TEXTS: whole.encode()}
    magic, codes = _compile(texts, python)
    first = [name for name in modules.listNeeded(_FIRST) if name in codes]
    return _packMost(files, f"{CODE}/{magic.hex()}", codes, first)


def writeClientFile(path: str) -> None:
    """
    Write the file, which everybody may read and run. It replaces an older one, and nothing else.

    @raise InstallError: something else has this path, or the file cannot be made or written.
    """
    try:
        if not _isClientFile(readFile(path, 2 * MAX_SIZE, follow=False).data):
            raise InstallError(f"{path} exists, and is not a client of pkdoors: use another path")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InstallError(f"cannot replace {path}: {error.strerror}") from error
    data = makeClientFile()
    try:
        replaceFile(Path(path), data, mode=0o755, follow=False)
    except OSError as error:
        raise InstallError(f"cannot write {path}: {error.strerror}") from error


def _isClientFile(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(data)) as file:
            return f"{HEAD}pkdoors.cli\n".encode() in file.read(TEXTS)
    except (zipfile.BadZipFile, ValueError, KeyError):
        return False


def _readSources() -> dict[str, str]:
    """Return all modules of pkdoors by name, with their text."""
    root = Path(pkdoors.__file__).parent
    found = {}
    for path in root.rglob("*.py"):
        *above, last = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(above if last == "__init__" else [*above, last])] = readFile(path).text()
    if _START not in found:
        raise InstallError(f"{root} has no modules as text: install pkdoors with its sources")
    return found


def _compile(texts: dict[str, str], python: str) -> tuple[bytes, dict[str, bytes]]:
    """
    Return the number of the interpreter's kind of code, and the code of each module.

    A new process has seen nothing else yet, so it gives the same result each time.
    """
    # Columns in tracebacks would take a quarter of the code.
    command = [python, "-I", "-S", "-X", "no_debug_ranges", "-c", _COMPILE]
    try:
        done = subprocess.run(command, input=marshal.dumps(texts), capture_output=True, check=True)
        magic, codes = marshal.loads(done.stdout)
    except (OSError, ValueError, EOFError, subprocess.CalledProcessError) as error:
        raise InstallError(f"cannot compile the client with {python}: {error}") from error
    return magic, codes


def _packMost(
    files: Mapping[str, bytes], place: str, codes: Mapping[str, bytes], first: Iterable[str]
) -> bytes:
    """
    Return a file with as much of the code as fits.

    @param place: the path of the code in the file.
    @param first: the modules whose code is of most use.
    """
    wanted = [*sorted(first, key=lambda name: len(codes[name]), reverse=True)]
    wanted += sorted(codes.keys() - {*wanted})

    def pack(count: int) -> bytes:
        taken = {*wanted[:count]}
        code = {name: codes[name] if name in taken else None for name in sorted(codes)}
        return _pack({**files, place: marshal.dumps(code)})

    fitting = bisect_left(range(len(wanted) + 1), MAX_SIZE, key=lambda count: len(pack(count)))
    if not fitting:
        raise InstallError(f"the client would have more than {MAX_SIZE} bytes")
    return pack(fitting - 1)


def _pack(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file that the same contents always make the same."""
    whole = BytesIO(_SHEBANG)
    whole.seek(0, os.SEEK_END)
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # it has no time of its own
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            file.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    return whole.getvalue()
