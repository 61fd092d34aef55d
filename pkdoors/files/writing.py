"""Write files whole, such as those with secrets that the user's own programs write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def writeNew(path: str, data: bytes) -> None:
    """
    Write a new file that only its owner may read and write.

    @raise OSError: it exists, or cannot be written. No half-written file is left.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError:
        os.unlink(path)
        raise


def replaceFile(path: Path, data: bytes, mode: int | None = None, follow: bool = True) -> None:
    """
    Write a file in one step: whatever happens meanwhile, it has the old contents or the new ones.

    @param mode: of the file; without it, only its owner may read and write it.
    @param follow: whether to write what the path points to if it is a link, or to replace the link.
    @raise OSError: it cannot be written. Then it has the old contents.
    """
    target = Path(os.path.realpath(path)) if follow else path
    descriptor, name = mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        raise


@contextmanager
def lockFolder(folder: Path) -> Iterator[None]:
    """Let only one process at a time do something in a folder, on systems that can do that."""
    try:
        from fcntl import LOCK_EX, flock
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)
