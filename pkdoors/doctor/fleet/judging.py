"""What is right and wrong in a fleet. Pure."""

from collections.abc import Iterator

from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.fleet._engine import SUBJECT, judgeEngine
from pkdoors.doctor.fleet._hosts import judgeClocks, judgeHosts
from pkdoors.doctor.fleet.facts import UNIT, FleetFacts
from pkdoors.fleet.overview.sentences import formatTime, nameHosts
from pkdoors.fleet.overview.survey import Survey
from pkdoors.fleet.streams import LASTS
from pkdoors.util.durations import formatDuration

_PROCESS = "fleet process"


def judgeFleet(facts: FleetFacts) -> Iterator[Finding]:
    """Yield everything that is found, good and bad."""
    yield from _judgeOperators(facts)
    yield from _judgeTrust(facts)
    survey = facts.engine.survey
    if survey is None:
        yield _reportTrouble(facts.engine.trouble)
        yield from _judgeServiceAlone(facts)
        return
    yield from judgeEngine(facts, survey.engine)
    yield from _judgeProcess(facts, survey)
    yield from judgeHosts(facts, survey)
    yield from judgeClocks(facts, survey)
    yield from _judgeOrders(facts)


def _reportTrouble(trouble: str) -> Finding:
    """Report why the engine shows nothing: which engine, a colon, why, a colon, and what to do."""
    count = 2 if trouble.startswith("the engine ") else 1
    parts = trouble.split(": ", count)
    remedy = parts.pop() if len(parts) > count else "see the log of the engine"
    return Finding(ERROR, SUBJECT, ": ".join(parts), remedy)


def _judgeOperators(facts: FleetFacts) -> Iterator[Finding]:
    for complaint in facts.complaints:
        text, _, remedy = complaint.partition(": ")
        yield Finding(WARNING, "operators", text, remedy or f"correct {facts.fleet.operators}")
    if facts.operators:
        count = f"{facts.operators} key{'s' * (facts.operators != 1)}"
        yield Finding(OK, "operators", f"{count} can give orders to the fleet")
    elif not facts.fleet.operators:
        text = "nobody can give orders, so no key can be banned on all hosts at once"
        remedy = f'add operators = "/etc/pkdoors/operators" to {facts.file}, and public keys there'
        yield Finding(WARNING, "operators", text, remedy)
    elif not facts.complaints:
        text = f"{facts.fleet.operators} has no key, so nobody can give orders"
        yield Finding(WARNING, "operators", text, "add the line of an administrator's .pub file")


def _judgeTrust(facts: FleetFacts) -> Iterator[Finding]:
    others = [host for host in facts.fleet.trust if host != facts.fleet.host]
    if others:
        text = (
            f"{nameHosts(others)} can open this host's doors for any address with knocks that name "
            "none: whoever takes over such a host can use them"
        )
        yield Finding(INFO, "trust", text, "remove trust, if your clients bind their knocks")


def _judgeServiceAlone(facts: FleetFacts) -> Iterator[Finding]:
    """Judge the fleet's process without the engine."""
    if facts.isServiceOn is False:
        yield _reportNoProcess(isService=True)


def _reportNoProcess(isService: bool) -> Finding:
    text = (
        "it does not run, so knocks at other hosts open nothing here, knocks here open nothing "
        "there, and orders do not arrive"
    )
    remedy = f"`systemctl enable --now {UNIT}`" if isService else "start `pkdoors fleet daemon`"
    return Finding(ERROR, _PROCESS, text, remedy)


def _judgeProcess(facts: FleetFacts, survey: Survey) -> Iterator[Finding]:
    own = next((each for each in survey.hosts if each.name == facts.fleet.host), None)
    if own is not None and own.presence is not None:
        yield Finding(OK, _PROCESS, "it connects this host with the engine")
        for trouble in own.presence.troubles:
            text, _, remedy = trouble.partition(": ")
            yield Finding(ERROR, _PROCESS, text, remedy or f"see `journalctl -u {UNIT}`")
    elif facts.isServiceOn:
        text = f"it is on, but has not reported to the engine for {formatDuration(LASTS)}"
        yield Finding(ERROR, _PROCESS, text, f"see `journalctl -u {UNIT}`")
    else:
        yield _reportNoProcess(isService=facts.isServiceOn is not None)


def _judgeOrders(facts: FleetFacts) -> Iterator[Finding]:
    refused = [order for order in facts.orders if order.fault]
    if refused:
        hosts = sorted({host for order in refused for host in order.hosts})
        text = (
            f"{len(refused)} order{'s' * (len(refused) != 1)} in the streams of "
            f"{nameHosts(hosts)} would be refused ({refused[-1].fault})"
        )
        remedy = "`pkdoors fleet status` shows them; if they are not yours, look after that host"
        yield Finding(WARNING, "orders", text, remedy)
    for shown in facts.orders:
        if shown.isInForce and shown.order is not None:
            text = f"{shown.order.what} is banned since {formatTime(shown.order.stamp)}"
            yield Finding(INFO, "orders", text, "`pkdoors fleet unban` lifts it")
