"""
Under a flood: how many knocks open their door, how soon, and what the flood costs the daemon.

Floods come from a million made-up addresses, in several kinds (C{tests/lab/traffic/generator.py})
and at several rates. Meanwhile a client knocks at its usual pace, with plain or sealed knocks. The
main figure is the milliseconds from the client's last datagram (of a sealed knock: the last one of
its first round) to the first answer of the protected port. Beside it are the daemon's processor
time and resident memory, the datagrams that the kernel dropped, and the connections that the host
tracks. The last figures are the memory after a million, and after ten million addresses. The daemon
runs on one CPU, generator and client on another. Run as root::

    python -m bench.flood [--tries 100] [--rates 10000,50000,100000,0] [--kinds junk,first,...]
        [--manners plain,sealed] [--json FILE]

With two CPUs, one of them sends, so the highest rate is what this one can send through the veth and
all of the server's rules, which it executes, too.

Under C{none}, C{forged} and C{paid} the daemon has four sealed doors on the same ports and a plain
one on others, and 256 keys, half of them ECDSA with P-521 and some RSA with 4096 bits. The client's
key is one with P-521, which takes the longest to check.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from bench.common import figuresOf
from bench.flood.outcome import ABOUTS, HEADING, Outcome, formatLine, makeTable
from bench.flood.testbed import Bench
from tests.lab.program import Program, makeNetwork
from tests.lab.traffic.generator import KINDS

METHODS = ("plain", "sealed")
"""How the client knocks."""
RATES = (10_000, 50_000, 100_000, 0)
MAX_TRIES = 1000
PACKAGES = {"ip": "iproute2", "nft": "nftables", "cc": "gcc"}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.flood", "Under a flood.", PACKAGES, processors=2)
    program.addNumber("tries", 100, MAX_TRIES, "knocks under each flood")
    program.addList("--rates", RATES, "datagrams a second, 0 for the most", isOpen=True)
    program.addList("--kinds", KINDS, "kinds of flood")
    program.addList("--manners", METHODS, "kinds of knock", dest="methods")
    program.parser.add_argument(
        "--no-memory", dest="memory", action="store_false", help="leave out the memory"
    )
    program.addFile("--rst", "write the table to FILE, as reStructuredText")
    options = program.start()
    outcomes, memory = program.run(
        measure, options.methods, options.kinds, options.rates, options.tries, options.memory
    )
    if options.rst:
        options.rst.write_text(makeTable(outcomes).rst(ABOUTS, []))
    floods = [outcome.figures() for outcome in outcomes]
    program.save({**figuresOf({}), "floods": floods, "memory": memory})


def measure(
    methods: Sequence[str],
    kinds: Sequence[str],
    rates: Sequence[int],
    tries: int,
    withMemory: bool,
) -> tuple[list[Outcome], dict[str, list[float]]]:
    """Make the hosts, flood the daemons, and print each figure as it comes."""
    outcomes = []
    with makeNetwork() as network, ExitStack() as stack:
        bench = Bench(network, stack)
        print(HEADING)
        for method in methods:
            for kind in kinds:
                for rate in rates:
                    outcomes.append(bench.flood(method, kind, rate, tries))
                    print(formatLine(outcomes[-1]), flush=True)
        memory = bench.measureMemory(methods) if withMemory else {}
        for name, (million, ten) in memory.items():
            print(
                f"{name}: {million:.1f} MB more after a million addresses, "
                f"{ten:.1f} after ten million"
            )
    return outcomes, memory


if __name__ == "__main__":
    main()
