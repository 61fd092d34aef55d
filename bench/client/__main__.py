"""
What the client costs, and what it adds to ssh.

``costs``: processor time and memory of the whole process, for each kind of knock, beside Debian's
knock and fwknop, and beside a Python that only imports argparse, socket and tomllib. ``ssh``: the
time from ``ssh HOST true`` to its end, directly, through nc, and through C{pkdoors connect}, over
paths of 1 ms and of 80 ms round trip. All take turns, so noise on a shared machine hits all of
them. The benchmark installs the programs that it needs. Run it as root, on an idle machine::

    python -m bench.client [costs] [ssh] [--tries N] [--json FILE]
"""

from bench.client import costs, sshtimes
from bench.rivals.packages import install
from tests.lab.program import Program

PARTS = {"costs": costs, "ssh": sshtimes}
PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "knock": "knockd",
    "fwknop": "fwknop-client",
    "nc": "netcat-openbsd",
    "sshd": "openssh-server",
}
"""Program -> Debian's package of it."""
SERVICES = {"knock": "knockd", "sshd": "ssh"}
"""Program -> the service that is installed with it."""


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.client", "What the client costs.", {})
    program.parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"only some of {', '.join(PARTS)}"
    )
    program.addNumber("tries", 25, 1000, "tries of each")
    options = program.start()
    if strange := [name for name in options.parts if name not in PARTS]:
        program.parser.error(f"{strange[0]} is not one of {', '.join(PARTS)}")
    install(PACKAGES, SERVICES)
    figures = {}
    for name in options.parts or PARTS:
        figures[name] = program.run(PARTS[name].measure, options.tries)
        print(PARTS[name].describe(figures[name]), flush=True)
    program.save(figures)


if __name__ == "__main__":
    main()
