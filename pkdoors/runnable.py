"""Whether a program can be run."""

import os
from pathlib import Path


def whyNotRun(program: str) -> str:
    """Why a program cannot be run, as half a sentence; empty where it can."""
    path = Path(program)
    if not path.exists():
        return "does not exist"
    if not path.is_file():
        return "is no program"
    return "" if os.access(path, os.X_OK) else "is not executable"
