"""What to do after C{pkdoors init}, in the order in which nobody is locked out."""

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import NamedTuple

from pkdoors.commands.setup._clients import ClientPart
from pkdoors.commands.setup._doors import Plan
from pkdoors.model.doors import Door
from pkdoors.model.knockports import TcpPort
from pkdoors.model.reach import explainUnreachable
from pkdoors.util.durations import formatDuration

TRIAL = "10m"
_SAVE = "save the rules of your own firewall, so that the old ones do not come back at boot"


class Setting(NamedTuple):
    """
    Where the steps are taken.

    @ivar program: how this host starts C{pkdoors}.
    @ivar conf: the option that names the configuration, after a blank; empty if it is the usual
        one.
    @ivar client: what to do on the client.
    @ivar login: what ssh connects to; empty if no door is for ssh.
    @ivar isForService: whether systemd runs this host, so the daemon is to be its service.
    @ivar isInstalled: whether the service is installed.
    @ivar wait: the seconds after the daemon's first start from which sealed knocks count.
    """

    program: str
    conf: str
    client: ClientPart
    login: str
    isForService: bool
    isInstalled: bool
    wait: float


def describeSteps(plan: Plan, setting: Setting) -> str:
    """Return the steps, numbered, and how to come back if something goes wrong."""
    steps = [*_listSteps(plan, setting)]
    lines = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join(
        ["Nothing is closed yet. Do this, in this order:", *lines, _wayBack(plan, setting), ""]
    )


def _listSteps(plan: Plan, setting: Setting) -> Iterator[str]:
    program, conf = setting.program, setting.conf
    yield setting.client.preparing
    for path in {path: None for door in plan.doors for path in door.authorizedKeys}:
        if plan.keys is None:
            yield f"Here, put the clients' public SSH keys into {path}."
    yield (
        "If there is a firewall in front of this host (a cloud's security group), let in "
        f"{_describeKnocks(plan.doors)}, and {_describePorts(plan.doors)}. A home router must "
        "forward them to this host, each to the same port."
    )
    if setting.isForService and not setting.isInstalled and not conf:
        yield f"Here: {program} install-service"
    yield f"Here: {program} check{conf}{_sayWhatStays(plan)}"
    yield from _start(plan, setting)


def _sayWhatStays(plan: Plan) -> str:
    """Return what the host's own firewall must keep until pkdoors closes the ports."""
    if not plan.program or not any(door.ports for door in plan.doors):
        return ""
    return (
        ". Whatever it says, leave the rules of your own firewall for "
        f"{_describePorts(plan.doors)} as they are until pkdoors runs: until then they alone keep "
        "these ports closed"
    )


def _start(plan: Plan, setting: Setting) -> Iterator[str]:
    program, conf = setting.program, setting.conf
    knock = setting.client.knock
    if setting.login:
        knock += f"{setting.client.then} ssh {setting.login}"
    wait = ""
    if setting.wait:
        wait = f" (sealed knocks count from {formatDuration(setting.wait)} after the first start)"
    if conf:
        yield f"Here, and stay logged in: {program} daemon{conf}"
        yield from _replaceOther(plan)
        yield f"On the client, in a second terminal: {knock}{wait}"
        if plan.program:
            yield f"If that works, {_SAVE}."
        return
    yield f"Here, and stay logged in: {program} trial {TRIAL}"
    yield from _replaceOther(plan)
    yield f"On the client, in a second terminal: {knock}{wait}"
    yield f"If that works, here: {program} keep{f'. Then {_SAVE}' if plan.program else ''}"


def _replaceOther(plan: Plan) -> Iterator[str]:
    """Yield what to do with another program: pkdoors cannot open what rules of others close."""
    if not plan.program:
        return
    step = f"Here: systemctl disable --now {plan.program}."
    if any(door.ports for door in plan.doors):
        step += (
            " Then remove the rules of your own firewall that close "
            f"{_describePorts(plan.doors)}, and those by which {plan.program} let single clients "
            "in: pkdoors closes these ports now, and `pkdoors check` names what else does. Do not "
            "save the rules yet."
        )
    if programs := [door.name for door in plan.doors if not door.ports]:
        step += (
            f" Keep the rules that the hooks of {', '.join(programs)} change: pkdoors protects no "
            "port there."
        )
    yield step


def _wayBack(plan: Plan, setting: Setting) -> str:
    program = setting.program
    if setting.conf:
        back = (
            f"If it goes wrong: end the daemon with Ctrl-C, then run `{program} release`, which "
            "opens all ports again."
        )
    else:
        back = (
            f"If it goes wrong: after {TRIAL} the trial takes everything back by itself; "
            f"`{program} release` does so at once, also from the host's console."
        )
    if plan.program and any(door.ports for door in plan.doors):
        back += (
            " Nobody puts back the rules that you removed: without them "
            f"{_describePorts(plan.doors)} is then open to everybody. Add them again, and run "
            f"`systemctl enable --now {plan.program}`."
        )
    return back


def _describeKnocks(doors: Sequence[Door]) -> str:
    """Return which knocks another firewall must let in. No ports: they are a secret."""
    protocols = sorted(
        {
            "TCP" if isinstance(port, TcpPort) else "UDP"
            for door in doors
            for port in door.sequence.ports
        }
    )
    whose = "the sequence" if len(doors) == 1 else "the sequences"
    return f"{' and '.join(protocols)} to the ports of {whose}"


def _describePorts(doors: Sequence[Door]) -> str:
    ports = [str(ports) for door in doors for ports in door.ports]
    return ", ".join(dict.fromkeys(ports)) or "nothing else"


def warnOfAddress(address: str, mayChange: bool) -> str:
    """Return a line about an address that clients elsewhere cannot use, or not for long; empty if
    they can."""
    why = explainUnreachable(address)
    if not why and mayChange:
        return (
            f"note: the profile has the address {quote(address)}, which this host has for a "
            "limited time: if the network assigns another one, clients need that. Write a DNS name "
            "that follows it in its place\n"
        )
    if not why:
        return ""
    return (
        f"warning: the profile has the address {quote(address)}, which {why}: if clients are "
        "elsewhere, write the name or address that they use in its place (behind a home router, "
        "the router's public one, best a DNS name that follows it)\n"
    )
