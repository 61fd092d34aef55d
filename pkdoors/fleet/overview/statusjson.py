"""The status of a fleet as JSON, for programs. Pure."""

from collections.abc import Sequence
from typing import Any

from pkdoors.fleet.overview.openings import mergeOpenings
from pkdoors.fleet.overview.orderlist import ShownOrder
from pkdoors.fleet.overview.survey import HostReport, Survey

_ABOUT = ("redis_version", "valkey_version", "server_name", "uptime_in_seconds", "aof_enabled")
"""What the JSON has of the engine's own words."""


def simplifyFleet(fleet: str, survey: Survey, orders: Sequence[ShownOrder]) -> dict[str, Any]:
    """Return the whole status for JSON."""
    return {
        "fleet": fleet,
        "time": survey.time,
        "engine": {key: survey.engine[key] for key in _ABOUT if key in survey.engine},
        "hosts": [_simplifyHost(report, survey.time) for report in survey.hosts],
        "openings": [
            {
                "door": each.opening.door,
                "source": each.opening.source,
                "seconds_left": round(each.left, 1),
                "user": each.opening.user,
                "key": each.opening.key,
                "hosts": list(each.hosts),
                "lacking": list(each.lacking),
            }
            for each in mergeOpenings(survey)
        ],
        "bans": [each.order.what for each in orders if each.isInForce and each.order],
        "orders": [simplifyOrder(each) for each in orders],
    }


def _simplifyHost(report: HostReport, now: float) -> dict[str, Any]:
    presence = report.presence
    troubles = [report.trouble] if report.trouble else []
    return {
        "host": report.name,
        "up": presence is not None,
        "troubles": [*troubles, *(presence.troubles if presence else ())],
        "version": presence.version if presence else "",
        "doors": list(presence.doors) if presence else [],
        "openings": presence.count() if presence else 0,
        "dropped": presence.dropped if presence else 0,
        "seconds_behind": round(report.worst(), 1),
        "clock_ahead": round(report.clockAhead(now), 1),
        "not_reading": report.unread(),
    }


def simplifyOrder(shown: ShownOrder) -> dict[str, Any]:
    """Return an order for JSON."""
    order = shown.order
    return {
        "verb": order.verb if order else "",
        "what": order.what if order else "",
        "stamp": order.stamp / 1000 if order else 0,
        "nonce": order.nonce if order else "",
        "hosts": list(shown.hosts),
        "user": shown.who.name,
        "key": shown.who.key,
        "refused": shown.fault,
        "in_force": shown.isInForce,
    }
