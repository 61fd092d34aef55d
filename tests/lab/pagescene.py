"""What the operator's page shows in pictures and in tests of its looks: always the same."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.admin import KEY, FakeAdmin, makeDoor, makeEvent, makeOpening
from tests.lab.browser import Browser

NOW = datetime(2026, 12, 1, 12, 3, 7, tzinfo=UTC)
"""The time on the page's clocks, which stand still."""

_OTHER_KEY = "SHA256:Wm3vVb0pYk7QeQ2cN8sT4hXo1ZrJ6uLdF5gA9iKxEwM"
_FREEZE = """
const answers = %s;
const ask = window.fetch;
window.fetch = (path, options) => {
    const [name] = String(path).split("?");
    if (name in answers) {
        const {status, body} = answers[name];
        return Promise.resolve(new Response(JSON.stringify(body), {status}));
    }
    return ask(path, options);
};
const moment = %d;
if (moment) {
    window.Date = class extends Date {
        constructor(...given) {
            super(...(given.length ? given : [moment]));
        }
        static now() {
            return moment;
        }
    };
    performance.now = () => 10000;
}
"""


def _ago(seconds: float) -> str:
    """Return a time before now, as the daemon tells it."""
    moment = NOW - timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _opening(
    source: str, left: float, user: str = "", key: str = "", **more: Any
) -> dict[str, Any]:
    fields: dict[str, Any] = {"asked_from": "", "via": "", "uses": "many", "used": False}
    opening = makeOpening(source, left=left, user=user, key=key, **(fields | more))
    return opening | {"until": _ago(-left)}


def _event(kind: str, ago: float, source: str = "", **more: Any) -> dict[str, Any]:
    more = {"asked_from": "", "via": "", "door": "ssh"} | more
    return makeEvent(kind, source, **more) | {"time": _ago(ago)}


def makeScene() -> FakeAdmin:
    """Return a daemon with two doors, a few openings, and a trouble. Nobody has started it."""
    admin = FakeAdmin()
    times = {"open_for": 1800.0, "max_open_for": 28800.0}
    more = {"uses": "many", "trusted": [], "networks": 0, "max_openings": 16384, "sources": 0}
    more |= {"fleet": False, "listens": True}
    admin.doors = [
        makeDoor("ssh", "22/tcp", lock="sealed", **more | times | {"trusted": ["192.168.1.0/24"]}),
        makeDoor("backup", "873/tcp", **more | {"uses": "once"}),
    ]
    admin.openings = [
        _opening("192.0.2.7", 1520.0, "anna@laptop", KEY),
        _opening("198.51.100.20", 252.0, "bob@desk", _OTHER_KEY),
        _opening("2001:db8:0:1::/64", 6030.0, "anna@laptop", KEY, asked_from="2001:db8:0:1::7"),
        _opening("203.0.113.5", 21.0, door="backup", ports=["873/tcp"], uses="once"),
    ]
    admin.uptime = 93784.0
    admin.firewall = "nftables"
    admin.troubles = ["port 17203/udp: another program (dnsmasq) listens there, so knocks are lost"]
    admin.pending = ["door backup would open for 2m"]
    admin.dropped = {"limit": 0, "junk": 1243, "overflow": 0}
    admin.rates = [_rate(number) for number in range(90)]
    return admin


def _rate(number: int) -> dict[str, Any]:
    """Return what was counted in one of 90 steps: a scan, and a knock now and then."""
    isScan = 50 <= number < 58
    return {
        "time": _ago(10 * (89 - number)),
        "seconds": 10.0,
        **{"knocks": 6 * (number % 17 == 3) + 40 * isScan + number % 3, "request": 0},
        **{"refused": int(number == 62), "opened": int(number % 17 == 3)},
        **{"limit": 0, "junk": 150 * isScan, "overflow": 0},
    }


EVENTS = (
    _event("guarding", 93784, text="guarding door ssh (22/tcp) with nftables", seconds=0.0),
    _event("opened", 910, "2001:db8:0:1::/64", seconds=7200.0, user="anna@laptop", key=KEY),
    _event("guessing", 390, reason="2,310 wrong orders in a minute, most from 203.0.113.99"),
    _event("opened", 280, "192.0.2.7", seconds=1800.0, user="anna@laptop", key=KEY),
    _event(
        *("refused", 271, "203.0.113.80"),
        user="carl@phone",
        key=_OTHER_KEY,
        reason="the key may not knock from here",
    ),
    _event("opened", 48, "198.51.100.20", seconds=300.0, user="bob@desk", key=_OTHER_KEY),
    _event("closed", 31, "198.51.100.9", seconds=1800.0, reason="its time is over"),
    _event("opened", 9, "203.0.113.5", door="backup", seconds=30.0),
)
"""What the daemon has told, the oldest first."""

ABOUT = {"host": "myhost", "version": "26.12.0", "user": "root", "address": "192.0.2.7"}
FINDINGS = (
    {
        "level": "WARNING",
        "subject": "ssh",
        "text": "port 22 of 2001:db8::1 is closed by pkdoors, but another table accepts it first",
        "remedy": "nft delete rule inet filter input handle 7",
    },
    {"level": "OK", "subject": "guard", "text": "closes 2 ports", "remedy": ""},
    {"level": "OK", "subject": "service", "text": "starts at each boot", "remedy": ""},
)


def _host(name: str, **more: Any) -> dict[str, Any]:
    return {
        **{"host": name, "up": True, "doors": ["ssh"], "openings": 3, "seconds_behind": 0.0},
        **{"version": "26.12.0", "troubles": [], "not_reading": [], "dropped": 0},
        **{"clock_ahead": 0.0, **more},
    }


FLEET = {
    "fleet": "web",
    "hosts": [
        _host("gate1"),
        _host("gate2", openings=2, seconds_behind=2.1),
        _host("gate3", up=False, openings=0),
    ],
}


class Scene:
    """
    The daemon, and what the browser gets instead of what differs between hosts: the host's name,
    the check, the fleet, and the time.
    """

    def __init__(self, folder: Path, admin: FakeAdmin | None = None) -> None:
        """Start the daemon."""
        self.admin = admin or makeScene()
        self.admin.path = str(folder / "scene.sock")
        self.answers: dict[str, Any] = {"about": ABOUT, "check": FINDINGS, "fleet": FLEET}
        self.admin.start()

    def prepare(self, browser: Browser, now: datetime | None = NOW) -> None:
        """Let a browser have this before it opens the page. Without C{now}, its clocks go on."""
        answers = {
            f"api/{name}": {"status": 200, "body": answer} for name, answer in self.answers.items()
        }
        moment = int(now.timestamp() * 1000) if now else 0
        browser.command(
            "Page.addScriptToEvaluateOnNewDocument", source=_FREEZE % (json.dumps(answers), moment)
        )

    def tell(self, events: Iterable[Mapping[str, Any]] = EVENTS) -> int:
        """Let events happen; return how many."""
        number = -1
        self.admin.awaitFollower()
        for number, event in enumerate(events):
            head = f"id: 90aa3c41b2d1e877-{number + 1}\nevent: {event['event']}\n"
            self.admin.send(f"{head}data: {json.dumps(event)}\n\n".encode())
        return number + 1
