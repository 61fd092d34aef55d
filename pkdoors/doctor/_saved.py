"""Reads the files from which distributions load nftables' rules, and changes nothing."""

import os
from collections.abc import Iterable, Iterator
from glob import iglob
from itertools import islice

from pkdoors.doctor.packetfilter.savedrules import SavedFile, findIncludes
from pkdoors.files.reading import readStart

PLACES = (
    "/etc/nftables.conf",
    "/etc/nftables.nft",
    "/etc/nftables.d/*",
    "/etc/nftables/*.nft",
    "/etc/nftables/rules/*.nft",
    "/etc/sysconfig/nftables.conf",
    "/var/lib/nftables/*",
)
"""Debian and Arch; Alpine; both; Fedora; openSUSE; Fedora; Alpine and Gentoo."""
FOLDER = "/etc"
"""Where nft looks for an included file that is given without a folder."""
MAX_BYTES = 16_000_000
"""Of one file: more than a ruleset with all the openings and sessions that a guard can have."""
MAX_FILES = 200
"""A folder may have many files, and files include each other."""
_MAX_NAMES = 1000
"""Names that one pattern may stand for: only the first ones in the folder are looked at."""


def readSavedFiles(places: Iterable[str] = PLACES) -> list[SavedFile]:
    """
    Return the files that exist, and those that they include, each once.

    @raise PermissionError: this user may not read one of them.
    """
    found: dict[str, SavedFile] = {}
    patterns = list(places)
    # Included files join the queue. It gets empty, because each file is read once.
    while patterns and len(found) < MAX_FILES:
        for path in islice(_expandPattern(patterns.pop(0)), MAX_FILES - len(found)):
            real = os.path.realpath(path)
            file = None if real in found else _read(path)
            if file is not None:
                found[real] = file
                patterns += findIncludes(file.text)
    return list(found.values())


def _expandPattern(pattern: str) -> Iterator[str]:
    """Yield the files that a pattern stands for."""
    # "./" is relative to nft's working directory: the root, if nft runs as a service.
    folder = "/" if pattern.startswith("./") else FOLDER
    yield from sorted(islice(iglob(os.path.join(folder, pattern)), _MAX_NAMES))


def _read(path: str) -> SavedFile | None:
    try:
        content = readStart(path, MAX_BYTES + 1)
    except PermissionError:
        raise
    except OSError:  # it is gone, or not a regular file
        return None
    text = content[:MAX_BYTES].decode("utf-8", "replace")
    return SavedFile(path, text, len(content) <= MAX_BYTES)
