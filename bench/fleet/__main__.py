"""
A fleet on one machine: an engine, a gateway and inner hosts in network namespaces. Run as root::

    python -m bench.fleet [--knocks 1000] [--inner 3] [--hosts 2,10,50] [--rate 200] [--json FILE]

It shows how late inner hosts open, beside bare C{XADD} and C{XREAD}, and beside seals that are
handed to the daemons without an engine, in turns with the knocks. Then it shows, for each number of
hosts, what a knock costs the engine and each host. It takes about five minutes.
"""

from bench.common import Times, figuresOf, ratio, showTimes, summarize
from bench.fleet import late, many
from tests.lab.fleet.engine import PROGRAMS
from tests.lab.program import Program

MAX_KNOCKS, MAX_INNER, MAX_RATE, MAX_SECONDS = 10_000, 20, 2_000, 600
POINTS = (3, 10, 50)


def main() -> None:
    """Run the benchmark."""
    packages = {"ip": "iproute2", "nft": "nftables", PROGRAMS[0]: PROGRAMS[0]}
    program = Program("bench.fleet", "A fleet on one machine.", packages, processors=2)
    program.addNumber("knocks", 1000, MAX_KNOCKS, "knocks of which the delay is measured")
    program.addNumber("inner", 3, MAX_INNER, "inner hosts for that")
    program.addNumber("rate", 200, MAX_RATE, "knocks a second on many hosts")
    program.addNumber("seconds", 30, MAX_SECONDS, "for so long")
    program.addList("--hosts", POINTS, "numbers of hosts", isOpen=True)
    program.parser.add_argument("--engine", choices=PROGRAMS, default=PROGRAMS[0])
    options = program.start()
    times: Times = program.run(late.measure, options.knocks, options.inner, options.engine)
    print(showTimes(times))
    for name in (late.INNER_HOST, late.LOG, late.DIRECT):
        tails = [summarize(times[found]).get("p95", 0.0) for found in (name, late.BARE)]
        medians = ratio(times, name, late.BARE)
        print(f"{name}, in times of bare: median {medians:.1f}, p95 {tails[0] / tails[1]:.1f}")
    rows = [program.run(many.measure, n, options.rate, options.seconds) for n in options.hosts]
    print(many.showRows(rows))
    program.save({**figuresOf(times), "hosts": rows})


if __name__ == "__main__":
    main()
