"""
Fuzzes one parser, or all, with atheris::

    python -m fuzz.run TARGET [--seconds 60]

C{all} is each of them, one after the other. What it finds is told, and kept in C{fuzz/findings}:
copy it to C{fuzz/corpus/TARGET}, under a name that says what it is, and mend the parser.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CORPUS = Path(__file__).parent / "corpus"
FINDINGS = Path(__file__).parent / "findings"

MAX_SECONDS = 24 * 3600
"""A day for each target."""


def main() -> None:
    """Fuzz."""
    options = parse()
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz.run: atheris is missing: pip install atheris")
    # Imported late, so that it is instrumented. Not all: that takes minutes.
    with atheris.instrument_imports(include=["pkdoors", "tomllib", "ipaddress"]):
        from fuzz.targets import MAX_INPUT, TARGETS
    if options.target == "all":
        sys.exit(each(list(TARGETS), options.seconds))
    if options.target not in TARGETS:
        sys.exit(f"fuzz.run: {options.target!r} is no target: all, {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    FINDINGS.mkdir(exist_ok=True)
    with TemporaryDirectory() as found:
        arguments = [
            *("fuzz.run", f"-max_total_time={options.seconds}", f"-max_len={MAX_INPUT}"),
            *(f"-artifact_prefix={FINDINGS}/{options.target}-", "-verbosity=0"),
            *("-print_final_stats=1", found, str(CORPUS / options.target)),
        ]
        atheris.Setup(arguments, target)
        atheris.Fuzz()  # which ends the process


def each(targets: list[str], seconds: int) -> int:
    """Fuzz each in a process of its own; 1 where something was found."""
    failed = []
    for target in targets:
        print(f"fuzz.run: {target}", flush=True)
        command = [sys.executable, "-m", "fuzz.run", target, "--seconds", str(seconds)]
        if subprocess.run(command).returncode:
            failed.append(target)
    print(f"fuzz.run: {f'something was found in {failed}' if failed else 'nothing was found'}")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="fuzz.run", description="Fuzz a parser.")
    parser.add_argument("target", help="which parser, or all")
    parser.add_argument("--seconds", type=int, default=60, help="for how long (60)")
    options = parser.parse_args()
    if not 1 <= options.seconds <= MAX_SECONDS:
        parser.error(f"--seconds {options.seconds}: 1 to {MAX_SECONDS} are allowed")
    return options


if __name__ == "__main__":
    main()
