"""The status of a fleet as tables."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pkdoors.adminclient.statusview import addRow, drawParts, makeTable
from pkdoors.fleet.overview.openings import SharedOpening, mergeOpenings
from pkdoors.fleet.overview.orderlist import ShownOrder
from pkdoors.fleet.overview.sentences import (
    CLOCK,
    cut,
    describeClock,
    describeDown,
    describeDropped,
    describeHosts,
    describeUnread,
    formatTime,
    nameHosts,
    shorten,
)
from pkdoors.fleet.overview.survey import HostReport, Survey
from pkdoors.fleet.presence import PresenceRecord
from pkdoors.util.durations import formatLength

if TYPE_CHECKING:  # it takes long to load
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

MAX_TROUBLES, MAX_TROUBLE = 5, 300
"""Troubles of a host that are shown, and letters of each: a host can write what it likes."""
MAX_ORDERS = 10
"""The last orders that are shown."""


def formatFleet(
    fleet: str,
    engine: str,
    survey: Survey,
    orders: Sequence[ShownOrder],
    console: "Console",
    limit: int | None = None,
) -> str:
    """
    Return the whole status, in lines that fit the console.

    @param engine: where the engine is.
    @param orders: all of them, the oldest first.
    @param limit: the openings to show; L{None} for all.
    """
    return drawParts(_makeParts(fleet, engine, survey, orders, limit), console)


def _makeParts(
    fleet: str, engine: str, survey: Survey, orders: Sequence[ShownOrder], limit: int | None
) -> "Iterator[Table | Text]":
    from rich.text import Text

    yield Text(f"fleet {fleet}, engine: {engine}, {describeEngine(survey)}\n")
    yield _tabulateHosts(survey)
    troubles = list(_listTroubles(survey))
    if troubles:
        yield Text("\n".join(("", *troubles)), style="red")
    yield Text()
    merged = mergeOpenings(survey)
    shown = merged[:limit]
    if shown:
        yield _tabulateOpenings(shown)
    if left := len(merged) - len(shown):
        yield Text(f"and {left:,} more, which end later: --all shows them")
    elif not merged:
        yield Text("no door is open on any host")
    yield from _listCut(survey)
    yield from _showOrders(orders)


def describeEngine(survey: Survey) -> str:
    """Return which engine it is, as it says itself."""
    about = survey.engine
    name = about.get("server_name", "redis").capitalize()
    version = about.get("valkey_version") or about.get("redis_version") or "of an unknown version"
    up = about.get("uptime_in_seconds", "")
    uptime = f", up {formatLength(min(int(up), 10**9))}" if re.fullmatch("[0-9]{1,12}", up) else ""
    return cut(f"{name} {version}") + uptime


def _tabulateHosts(survey: Survey) -> "Table":
    table = makeTable("HOST", "STATE", "DOORS", "OPEN", "BEHIND", "PKDOORS")
    for report in survey.hosts:
        presence = report.presence
        if presence is None:
            state = "unreadable" if report.trouble else "down"
            addRow(table, (report.name, state, "-", "-", "-", "-"), "red")
            continue
        behind = report.worst()
        cells = (
            report.name,
            "up",
            cut(", ".join(presence.doors)) or "none",
            f"{presence.count():,}",
            formatLength(behind) if behind else "-",
            cut(presence.version),
        )
        addRow(table, cells, "yellow" if behind or presence.troubles else "green")
    return table


def _listTroubles(survey: Survey) -> Iterator[str]:
    """Yield what is wrong with hosts, a sentence each."""
    for report in survey.hosts:
        if report.trouble:
            yield f"{report.name}: {report.trouble}"
        elif report.presence is None:
            yield describeDown(report.name)
        else:
            yield from _listHostTroubles(report, report.presence, survey.time)


def _listHostTroubles(report: HostReport, presence: PresenceRecord, now: float) -> Iterator[str]:
    for trouble in presence.troubles[:MAX_TROUBLES]:
        yield f"{report.name}: {cut(trouble, MAX_TROUBLE)}"
    if unread := report.unread():
        yield describeUnread(report.name, unread)
    if presence.dropped:
        yield describeDropped(report.name, presence.dropped)
    ahead = report.clockAhead(now)
    if abs(ahead) > CLOCK:
        yield describeClock(report.name, ahead)


def _tabulateOpenings(shown: Iterable[SharedOpening]) -> "Table":
    table = makeTable("OPEN", "ADDRESS", "TIME LEFT", "WHO", "HOSTS")
    for column in table.columns[1:3]:
        column.no_wrap = True
    for each in shown:
        who = shorten(each.opening.user or each.opening.key or "-")
        cells = (
            cut(each.opening.door),
            cut(each.opening.source),
            formatLength(each.left),
            who,
            describeHosts(each.hosts, each.lacking),
        )
        addRow(table, cells, "yellow" if each.lacking else "")
    return table


def _listCut(survey: Survey) -> "Iterator[Text]":
    from rich.text import Text

    for report in survey.hosts:
        if report.presence and report.presence.count() > len(report.presence.openings):
            count, listed = report.presence.count(), len(report.presence.openings)
            yield Text(
                f"{report.name} has {count:,} openings, and names the first {listed:,}: "
                "`pkdoors status` there shows all"
            )


def _showOrders(orders: Sequence[ShownOrder]) -> "Iterator[Table | Text]":
    from rich.text import Text

    for shown in orders:
        if shown.isInForce and shown.order:
            when, by = formatTime(shown.order.stamp), shown.who.name
            yield Text(f"\nbanned: {shown.order.what}\n  since {when}{f', by {by}' if by else ''}")
    if not orders:
        return
    yield Text()
    table = makeTable("ORDERED", "ORDER", "BY", "GIVEN AT")
    table.columns[0].no_wrap = True
    for shown in orders[-MAX_ORDERS:]:
        addRow(table, _describeOrder(shown), "red" if shown.fault else "")
    yield table
    if left := len(orders) - MAX_ORDERS:
        if left > 0:
            yield Text(f"and {left:,} before: --json shows them")


def _describeOrder(shown: ShownOrder) -> tuple[str, str, str, str]:
    order, by = shown.order, shown.who.name or shown.who.key
    return (
        formatTime(order.stamp) if order else "-",
        shorten(f"{order.verb} {order.what}") if order else "-",
        f"refused: {shown.fault}" if shown.fault else shorten(by),
        nameHosts(shown.hosts),
    )
