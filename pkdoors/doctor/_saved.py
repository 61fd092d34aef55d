"""Reads the files from which distributions load nftables' rules. Nothing is changed."""

import os
from collections.abc import Iterable, Iterator
from glob import iglob
from itertools import islice

from pkdoors.doctor.packetfilter.savedrules import Saved, included
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
"""Where nft looks for files that are included without a folder."""
MAX_BYTES = 16_000_000
"""Of one file: more than a ruleset with all openings and sessions that a guard can have."""
MAX_FILES = 200
"""A folder may have many, and files include each other."""
_MAX_NAMES = 1000
"""Names that one pattern may mean: only the first in the folder are looked at."""


def savedFiles(places: Iterable[str] = PLACES) -> list[Saved]:
    """
    Return the files that there are, and those that these include, each once.

    @raise PermissionError: this user must not read one.
    """
    found: dict[str, Saved] = {}
    waiting = list(places)
    # What is included is looked at in turn; there is an end, since each file is read once.
    while waiting and len(found) < MAX_FILES:
        for path in islice(_matches(waiting.pop(0)), MAX_FILES - len(found)):
            real = os.path.realpath(path)
            file = None if real in found else _read(path)
            if file is not None:
                found[real] = file
                waiting += included(file.text)
    return list(found.values())


def _matches(pattern: str) -> Iterator[str]:
    """Yield the files that a pattern means."""
    # A "./" is meant from where nft runs: for a service that is the root.
    folder = "/" if pattern.startswith("./") else FOLDER
    yield from sorted(islice(iglob(os.path.join(folder, pattern)), _MAX_NAMES))


def _read(path: str) -> Saved | None:
    try:
        content = readStart(path, MAX_BYTES + 1)
    except PermissionError:
        raise
    except OSError:  # it is gone, or no regular file
        return None
    return Saved(path, content[:MAX_BYTES].decode("utf-8", "replace"), len(content) <= MAX_BYTES)
