"""
Files below a folder that may belong to somebody else. Root can use it: it reads, writes and removes
nothing outside the folder, whatever links, pipes and names wait there.

It opens each folder of a path in the folder above, and never through a link. It creates a file
under a random name, and then renames it to its place.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from pkdoors.files.reading import readFile

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Beneath:
    """
    Reads, writes and removes files below a folder.

    @param root: the folder, which may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, place: str) -> str | None:
        """
        Return the text of a file; L{None} if it does not exist.

        @param place: its path relative to the folder.
        @raise OSError: it cannot be read, or is not a regular file.
        """
        try:
            with self._folder(place) as folder:
                name = PurePosixPath(place).name
                return readFile(name, folder=folder, follow=False).text("replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:  # UTF-16
            return str(error)

    def write(self, place: str, text: str) -> None:
        """
        Create or replace a file that everybody may read, and the folders that lead to it.

        @raise OSError: it cannot be written. No half-written file remains.
        """
        name = PurePosixPath(place).name
        with self._folder(place, make=True) as folder:
            new = f".{name}.{secrets.token_hex(8)}"
            descriptor = os.open(new, _NEW, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fchmod(descriptor, 0o644)
                    os.fsync(descriptor)
                os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new, dir_fd=folder)
                raise

    def remove(self, place: str) -> bool:
        """
        Remove a file.

        @return: whether there was one.
        @raise OSError: it cannot be removed.
        """
        try:
            with self._folder(place) as folder:
                os.unlink(PurePosixPath(place).name, dir_fd=folder)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _folder(self, place: str, make: bool = False) -> Iterator[int]:
        """Yield a descriptor of the folder that a file is in."""
        if make:
            self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = os.open(self._root, _FOLDER)
        try:
            for name in PurePosixPath(place).parent.parts:
                below = _enter(name, folder, make)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


def _enter(name: str, folder: int, make: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)
    made = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    os.fchmod(made, 0o755)  # whatever the umask: other users must reach the files in it
    return made
