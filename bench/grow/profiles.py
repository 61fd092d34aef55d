"""
Client profiles: milliseconds of processor time to find one in the file, to find out that a host has
none, and to list all names for the shell. As the baseline, the time to read and check all profiles,
as every client did before.

The best of some runs, which take turns, so noise on a shared machine hits all points.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pkdoors.client.profilefile import readProfiles
from pkdoors.client.profiles import Profiles

POINTS = (1, 100, 1000, 5000)
COUNTS = "profiles"
ROUNDS = 5

_WORK: dict[str, Callable[[int, Profiles], object]] = {
    "one, ms": lambda count, found: found[_name(count // 2)],
    "no profile, ms": lambda count, found: found.get("192.0.2.7"),
    "names, ms": lambda count, found: [*found],
    # With such quotes, only a parser of the whole text finds the profiles.
    "all, ms": lambda count, found: dict(Profiles(f'{found.text}# """')),
}


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of profiles."""
    rows: list[dict[str, float]] = [{} for _ in points]
    with TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for row, count in zip(rows, points, strict=True):
                _writeFile(Path(folder), count)
                for name, work in _WORK.items():
                    took = _measureOnce(folder, partial(work, count))
                    row[name] = min(row.get(name, float("inf")), took)
    return rows


def _measureOnce(folder: str, work: Callable[[Profiles], object]) -> float:
    began = time.process_time()
    work(readProfiles({"XDG_CONFIG_HOME": folder}))
    return 1000 * (time.process_time() - began)


def _writeFile(folder: Path, count: int) -> None:
    file = folder / "pkdoors" / "hosts.toml"
    file.parent.mkdir(exist_ok=True)
    file.touch(0o600)
    file.write_text("\n".join(map(_writeProfile, range(count))))


def _name(number: int) -> str:
    return f"host{number}"


def _writeProfile(number: int) -> str:
    return (
        f"[hosts.{_name(number)}]\n"
        f'address = "{_name(number)}.example.org"\n'
        "sequence = [17001, 17203, 17005, 17404, 17002]\n"
        'identity = "~/.ssh/id_ed25519"\n'
        "wait = 22\n"
    )
