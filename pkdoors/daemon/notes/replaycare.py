"""
The notes of sealed knocks while no daemon runs: a new configuration begins them, and they survive
when their files get another owner. Without trusted notes, the first knocks would be refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pkdoors.config.lastgood import STATE
from pkdoors.daemon.notes.replayfile import ReplayFile, seenPath
from pkdoors.locks.sealed.notelines import NotesLost


def beginNotes(configuration: str, findPath: Callable[[str], Path] = seenPath) -> bool:
    """
    Note that no knock has opened anything yet, unless there are notes already. That is true if all
    sequences of a configuration are new, because a seal is good for one sequence only.

    If this fails, nothing is lost: the first daemon then refuses sealed knocks for a while.

    @param configuration: the path of its file.
    @return: whether there are notes now.
    """
    path = findPath(configuration)
    with suppress(OSError, NotesLost):
        if not path.is_symlink() and not path.exists():
            ReplayFile(path).begin()
        return path.exists()
    return False


@contextmanager
def keepNotes(folder: Path = STATE) -> Iterator[None]:
    """
    Keep the notes trusted while something changes the owners of their files. They are written again
    afterwards, as somebody else's change would make them worthless. Notes that a daemon uses, or
    that nobody can trust, stay as they are.
    """
    files = []
    for path in sorted(folder.glob("*.seen")):
        file = ReplayFile(path)
        with suppress(OSError, NotesLost):
            if file.take():
                files.append(file)
    try:
        yield
    finally:
        for file in files:
            file.leave()
