"""The outcome of a flood, and tables of outcomes. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.common import countDone, summarize
from bench.tables import Cell, Row, Table


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The outcome of one flood.

    @ivar method: how the client knocked: C{plain} or C{sealed}.
    @ivar asked: the rate that was asked for, 0 for the most.
    @ivar sent: how many datagrams were sent.
    @ivar rate: how many of them a second.
    @ivar tries: milliseconds of each knock, L{None} if the door did not open.
    @ivar cpu: how many processors the daemon kept busy.
    @ivar grown: megabytes that it had resident more than before.
    @ivar dropped: datagrams that the kernel dropped, by reason.
    @ivar tracked: connections that the host tracked at the end.
    """

    method: str
    kind: str
    asked: int
    sent: int
    rate: float
    tries: list[float | None]
    cpu: float
    grown: float
    dropped: dict[str, int]
    tracked: int

    def figures(self) -> dict[str, Any]:
        """Return the raw figures; the method is the key C{manner} there."""
        figures = asdict(self)
        return {"manner": figures.pop("method"), **figures}


ABOUTS: Mapping[str, str] = {
    "sent": "datagrams a second that the generator sent",
    "opened": "knocks that opened, of all tries",
    "median": "milliseconds from the last datagram to the first answer of the port",
    "p95": "the same, of 95 in 100",
    "CPU": "processors that the daemon kept busy",
    "memory": "megabytes that the daemon had resident more than before",
    "overflow": "the part of the flood's datagrams that found no room",
}


def makeTable(outcomes: Iterable[Outcome]) -> Table:
    """Return the table to publish."""
    rows = []
    for outcome in outcomes:
        times, lost = summarize(outcome.tries), outcome.dropped["overflow"]
        cells = (
            f"{outcome.rate:,.0f}",
            countDone(outcome.tries),
            *(f"{times.get(name, 0):.1f}" for name in ("median", "p95")),
            f"{outcome.cpu:.2f}",
            f"{outcome.grown:+.0f}",
            f"{lost / outcome.sent:.0%}",
        )
        asked = f"{outcome.asked:,}" if outcome.asked else "the most"
        title = f"{outcome.method}, {outcome.kind}, {asked}"
        rows.append(Row(title, [Cell(text) for text in cells]))
    return Table(list(ABOUTS), rows, ())


HEADING = (
    f"{'knocks':8}{'flood':8}{'asked/s':>9}{'sent/s':>9}{'opened':>9}{'median':>9}{'p95':>9}"
    f"{'CPU':>6}{'MB more':>9}{'limit':>10}{'junk':>11}{'overflow':>10}{'tracked':>9}"
)
"""The first line of the printed table."""


def formatLine(outcome: Outcome) -> str:
    """Return the line that is printed for one flood."""
    times, dropped = summarize(outcome.tries), outcome.dropped
    return (
        f"{outcome.method:8}{outcome.kind:8}{outcome.asked or 'most':>9}{outcome.rate:>9.0f}"
        f"{countDone(outcome.tries):>9}"
        f"{times.get('median', 0):>9.2f}{times.get('p95', 0):>9.2f}{outcome.cpu:>6.2f}"
        f"{outcome.grown:>9.1f}"
        f"{dropped['limit']:>10}{dropped['junk']:>11}{dropped['overflow']:>10}"
        f"{outcome.tracked:>9}"
    )
