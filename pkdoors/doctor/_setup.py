"""What else a door needs of its host. Pure."""

import re
from collections.abc import Iterable, Iterator

from pkdoors.config.config import Config
from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.doors import Door
from pkdoors.model.sequence import Sequence

FULL = 0.9
"""Of connection tracking's table: what more comes is dropped when all of it is."""


def privilege(isThere: bool) -> Finding:
    """The right to see, and to change, the firewall."""
    if isThere:
        return Finding(OK, "privilege", "CAP_NET_ADMIN is there")
    text = "without root, or CAP_NET_ADMIN, the firewall cannot be looked at, nor changed"
    return Finding(ERROR, "privilege", text, "`sudo pkdoors check ...`")


def firewall(config: Config, isFirewalldThere: bool | None) -> Finding:
    """
    Which firewall the daemon takes.

    @param isFirewalldThere: whether firewalld runs; L{None} where that cannot be told.
    """
    name = config.chooseFirewall(lambda: isFirewalldThere)
    runs = {True: "firewalld runs", False: "firewalld does not run", None: "firewalld is not known"}
    told = runs[isFirewalldThere]
    if name == "firewalld" and isFirewalldThere is False:
        remedy = "`systemctl start firewalld`, or choose --firewall nftables"
        return Finding(ERROR, "firewall", told, remedy)
    if config.zone and name != "firewalld":
        text = f"--zone counts only with firewalld, and the firewall here is {name}"
        return Finding(ERROR, "firewall", text, "leave it out, or `systemctl start firewalld`")
    if name == "dry-run":
        text = "dry-run closes nothing, and opens nothing"
        return Finding(WARNING, "firewall", text, "leave --firewall out")
    if name == "nftables" and isFirewalldThere:
        text = "nftables, though firewalld runs: that drops what its zones do not let in"
        return Finding(WARNING, "firewall", text, "leave --firewall out, which takes firewalld")
    return Finding(OK, "firewall", f"{name} ({told})")


def running(daemon: Daemon) -> Finding:
    """Whether it runs."""
    if daemon.process is None:
        return Finding(WARNING, "daemon", "it does not run: no knock is heard", daemon.remedy())
    return Finding(OK, "daemon", f"it runs (process {daemon.process})")


def strength(door: Door) -> Iterator[Finding]:
    """How good a door's secret is."""
    warnings = door.sequence.warnings()
    for each in warnings:
        text, _, _ = each.partition(": ")
        remedy = "`pkdoors sequence` prints a better one"
        yield Finding(WARNING, "sequence", f"door {door.name}: {text}", remedy)
    if not warnings:
        tries, count = door.sequence.tries(), _count(door.sequence)
        text = f"door {door.name}: {tries} tries for whoever has found its {count} ports"
        yield Finding(OK, "sequence", text)


def unreadable(subject: str, path: str) -> Finding:
    """The service's user cannot read a file: an editor may have put another in its place."""
    text = f"{path} cannot be read by the user that the service runs as"
    return Finding(ERROR, subject, text, "`pkdoors install-service` sets who may read it")


def code(why: str, remedy: str) -> Finding:
    """
    Whether others can change the code that the service runs.

    @param why: why they can; empty where nobody can.
    @param remedy: the command that mends it.
    """
    if not why:
        return Finding(OK, "code", "only root can change what the service runs")
    return Finding(ERROR, "code", f"others can change what the service runs: {why}", f"`{remedy}`")


def keys(path: str, count: int, complaints: Iterable[str]) -> Iterator[Finding]:
    """
    Who may knock with a seal.

    @param path: the file of authorized keys.
    @param count: the keys that are taken.
    @param complaints: why others are not.
    """
    for each in complaints:
        yield Finding(WARNING, "keys", each, f"mend or remove that line of {path}")
    if count:
        yield Finding(OK, "keys", f"{count} of {path} may knock")
    else:
        remedy = f"put lines of ssh-keygen's .pub files into {path}"
        yield Finding(ERROR, "keys", "nobody may knock: there is no key that is taken", remedy)


def _count(sequence: Sequence) -> int:
    return len(set(sequence.ports))


def flushing(
    files: Iterable[tuple[str, str]], isOn: bool, isOwned: bool = False
) -> Iterator[Finding]:
    """
    Whether the distribution's nftables service takes our table away.

    @param files: its configuration: names and contents.
    @param isOn: whether the service is started, or will be at boot.
    @param isOwned: whether the running daemon owns its table.
    """
    for name, content in files:
        if isOn and re.search(r"^\s*flush\s+ruleset\b", content, re.MULTILINE):
            harm = (
                "takes the guard away at each restart: a running daemon puts it back within 0.1 s, "
                "a stopped one does not"
            )
            if isOwned:
                harm = (
                    "does not touch the guard while the daemon runs, but takes it away once the "
                    "daemon has ended"
                )
            yield Finding(
                INFO if isOwned else WARNING,
                "nftables.service",
                f"`flush ruleset` in {name} {harm}",
                f"in {name} flush its own tables only (`flush table inet filter`), and "
                "`systemctl reload nftables` rather than restart it",
            )


def ipv6(isOn: bool) -> Finding:
    """Whether the host has IPv6."""
    if isOn:
        return Finding(OK, "IPv6", "it is on")
    text = "it is off: a daemon that starts now hears no knocks over IPv6, also when it is on again"
    remedy = "`sysctl -w net.ipv6.conf.all.disable_ipv6=0`, or --interface 0.0.0.0 to do without"
    return Finding(WARNING, "IPv6", text, remedy)


def tracking(count: int, most: int) -> Finding:
    """Whether connection tracking, which the guard needs, has room."""
    text = f"{count} of {most} connections"
    if count < FULL * most:
        return Finding(OK, "tracking", text)
    remedy = f"`sysctl -w net.netfilter.nf_conntrack_max={2 * most}`"
    return Finding(WARNING, "tracking", f"{text}: what more comes is soon dropped", remedy)


def legacy(tables: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """
    Whether there are rules of the old iptables, which nftables does not see.

    @param tables: those that have been made, each with the command that shows it.
    """
    for table, command in tables:
        if table == "nat":
            text = (
                "the old iptables may forward ports here, which nftables does not show: the guard "
                "then closes a protected port that is forwarded, but not the address and port "
                "that it is forwarded to"
            )
            remedy = f"see whether it forwards a protected port: `{command}`"
        else:
            text = "the old iptables has rules here, which this check cannot judge"
            remedy = f"see whether they let the ports in: `{command}`"
        yield Finding(WARNING, "iptables", text, remedy)
