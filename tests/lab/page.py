"""The files of the operator's page, and Node, which runs its modules without a browser."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from pkdoors.admin.records import simplify
from tests import ROOT

PAGE = ROOT / "pkdoors/web/page"
TESTS = ROOT / "tests/web/page"
NODE = shutil.which("node") or ""
"""Empty if it is missing."""


@cache
def readModules() -> dict[str, str]:
    """Return the page's modules, by their path in it."""
    return {str(path.relative_to(PAGE)): path.read_text("utf-8") for path in PAGE.rglob("*.js")}


def runTests() -> "subprocess.CompletedProcess[str]":
    """Run the tests of the modules."""
    tests = sorted(TESTS.glob("*.test.js"))
    return subprocess.run([NODE, "--test", *tests], cwd=ROOT, capture_output=True, text=True)


def askPage(function: str, *arguments: list[Any]) -> Any:
    """
    Return what a function of the page returns, for each list of arguments.

    @param arguments: the first ones of each call, the second ones ...; records become JSON.
    """
    cases = [[function, *each] for each in zip(*arguments, strict=True)]
    program: list[str | Path] = [NODE, TESTS / "fakes/answer.js"]
    given = json.dumps(cases, default=simplify)
    done = subprocess.run(program, input=given, capture_output=True, text=True)
    if done.stderr:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)
