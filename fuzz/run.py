"""
Fuzz one parser, or all, with atheris::

    python -m fuzz.run TARGET [--seconds 60]

With C{all} it fuzzes one parser after the other. It prints each finding, and saves it in
C{fuzz/findings}: copy it to C{fuzz/corpus/TARGET}, under a descriptive name, and fix the parser.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CORPUS = Path(__file__).parent / "corpus"
FINDINGS = Path(__file__).parent / "findings"

MAX_SECONDS = 24 * 3600
"""The longest time for a target: a day."""


def main() -> None:
    """Fuzz the parser that the command line names."""
    options = parse()
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz.run: atheris is missing: pip install atheris")
    # Import late, so that the parsers are instrumented. To instrument everything takes minutes.
    with atheris.instrument_imports(include=["pkdoors", "tomllib", "ipaddress"]):
        from fuzz.targets import MAX_INPUT, TARGETS
    if options.target == "all":
        sys.exit(fuzzAll(list(TARGETS), options.seconds))
    if options.target not in TARGETS:
        sys.exit(f"fuzz.run: unknown target {options.target!r}: use all, {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    FINDINGS.mkdir(exist_ok=True)
    with TemporaryDirectory() as found:
        arguments = [
            "fuzz.run",
            f"-max_total_time={options.seconds}",
            f"-max_len={MAX_INPUT}",
            f"-artifact_prefix={FINDINGS}/{options.target}-",
            "-verbosity=0",
            "-print_final_stats=1",
            found,
            str(CORPUS / options.target),
        ]
        atheris.Setup(arguments, target)
        atheris.Fuzz()  # ends the process


def fuzzAll(targets: list[str], seconds: int) -> int:
    """Fuzz each target in a process of its own. Return 1 if any has a finding, else 0."""
    failed = []
    for target in targets:
        print(f"fuzz.run: {target}", flush=True)
        command = [sys.executable, "-m", "fuzz.run", target, "--seconds", str(seconds)]
        if subprocess.run(command).returncode:
            failed.append(target)
    print(f"fuzz.run: {f'findings in {failed}' if failed else 'no findings'}")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="fuzz.run", description="Fuzz a parser.")
    parser.add_argument("target", help="the parser to fuzz, or all")
    parser.add_argument("--seconds", type=int, default=60, help="seconds for each parser (60)")
    options = parser.parse_args()
    if not 1 <= options.seconds <= MAX_SECONDS:
        parser.error(f"--seconds {options.seconds}: use 1 to {MAX_SECONDS}")
    return options


if __name__ == "__main__":
    main()
