"""
Files below a folder, for root in a folder that may be somebody else's: nothing is read, written or
removed outside it, whatever links, pipes and names wait there.

Each folder on the way is opened in the one above it, and never through a link. A file is made under
a name that nobody can know, and only then put in its place.
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
    @param root: the folder; itself it may be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, place: str) -> str | None:
        """
        Return the text of a file; L{None} where there is none.

        @param place: its path from the folder on.
        @raise OSError: it cannot be read, or is not a regular file.
        """
        try:
            with self._folder(place) as folder:
                name = PurePosixPath(place).name
                return readFile(name, folder=folder, follow=False).text("replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:  # it is text of some other kind
            return str(error)

    def write(self, place: str, text: str) -> None:
        """
        Make or replace a file that all may read, with the folders on the way to it.

        @raise OSError: it cannot be written. Nothing is left half written.
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
        """A descriptor of the folder that a file is in."""
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
    os.fchmod(made, 0o755)  # whatever the umask: others have to come to what is in it
    return made
