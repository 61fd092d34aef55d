"""What else doors need on this host: the setup around them. Pure."""

import re
from collections.abc import Iterable, Iterator

from pkdoors.config.config import Config
from pkdoors.doctor.findings import AS_ROOT, ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.doors import Door

FULL = 0.9
"""Of connection tracking's table: once it is full, the kernel drops new connections."""


def judgePrivilege(isThere: bool) -> Finding:
    """Return whether this process may see and change the firewall."""
    if isThere:
        return Finding(OK, "privilege", "this process has CAP_NET_ADMIN")
    text = (
        "without root or CAP_NET_ADMIN this check cannot see the firewall, and a daemon cannot "
        "change it"
    )
    return Finding(ERROR, "privilege", text, AS_ROOT)


def judgeFirewall(config: Config, isFirewalldThere: bool | None) -> Finding:
    """
    Return which firewall the daemon uses.

    @param isFirewalldThere: whether firewalld runs; L{None} if that is unknown.
    """
    name = config.chooseFirewall(lambda: isFirewalldThere)
    state = {
        True: "firewalld is running",
        False: "firewalld is not running",
        None: "firewalld may be running",
    }[isFirewalldThere]
    if name == "firewalld" and isFirewalldThere is False:
        remedy = "`systemctl start firewalld`, or use --firewall nftables"
        return Finding(ERROR, "firewall", state, remedy)
    if config.zone and name != "firewalld":
        text = f"--zone works only with firewalld, but the firewall here is {name}"
        return Finding(ERROR, "firewall", text, "remove --zone, or `systemctl start firewalld`")
    if name == "dry-run":
        text = "dry-run closes no port, and opens none"
        return Finding(WARNING, "firewall", text, "remove --firewall")
    if name == "nftables" and isFirewalldThere:
        text = "nftables, but firewalld is running, too, and drops what its zones do not let in"
        return Finding(WARNING, "firewall", text, "remove --firewall to use firewalld")
    return Finding(OK, "firewall", f"{name} ({state})")


_EXAMPLES = (
    "17001,17203,17005,17404,17002,17108,17301,17009",
    "18001,18203,18005,18404,18002,18108,18301,18009",
    "18111,18007,18530,18222,18904,18016,18777,18340",
)
"""The long sequences in the manual, which invite somebody to copy them."""


def judgeSequence(door: Door) -> Iterator[Finding]:
    """Report how strong the secret of a door is."""
    warnings = door.sequence.warnings()
    if str(door.sequence) in _EXAMPLES:
        warnings.append("the sequence is an example from the manual, which everybody can read")
    for warning in warnings:
        text, _, _ = warning.partition(": ")
        remedy = "`pkdoors sequence` prints a better one"
        yield Finding(WARNING, "sequence", f"door {door.name}: {text}", remedy)
    if not warnings:
        tries, count = door.sequence.tries(), len(set(door.sequence.ports))
        text = f"door {door.name}: an attacker who has found its {count} ports needs {tries} tries"
        yield Finding(OK, "sequence", text)


def judgePayload(door: Door) -> Iterator[Finding]:
    """Report what a door loses if any datagram is a knock."""
    if door.hearsAny:
        text = (
            f"door {door.name}: any datagram is a knock, so a scan that tries its ports in their "
            "order opens it, and any other scan from a client's network makes the daemon ignore "
            "that network for a while"
        )
        remedy = 'set payload = "knock" if all clients can send that'
        yield Finding(WARNING, "payload", text, remedy)


def reportUnreadable(subject: str, path: str) -> Finding:
    """Report a file that the service's user cannot read. An editor may have replaced it."""
    text = f"the service's user cannot read {path}"
    return Finding(ERROR, subject, text, "`pkdoors install-service` lets it read that")


def judgeCode(why: str, remedy: str) -> Finding:
    """
    Return whether others can change the code that the service runs.

    @param why: why they can; empty if nobody can.
    @param remedy: the command that prevents it.
    """
    if not why:
        return Finding(OK, "code", "only root can change what the service runs")
    return Finding(ERROR, "code", f"others can change what the service runs: {why}", f"`{remedy}`")


def judgeKeys(
    path: str,
    count: int,
    complaints: Iterable[str],
    idle: Iterable[str] = (),
    hasOthers: bool = False,
) -> Iterator[Finding]:
    """
    Report which keys may knock.

    @param path: the file of authorized keys.
    @param count: how many of its keys may knock.
    @param complaints: why lines are refused.
    @param idle: why keys open nothing.
    @param hasOthers: whether its doors have keys from elsewhere, too.
    """
    faults = [(text, "fix that, or remove the line") for text in complaints]
    faults += [(text, f"change or remove the line of that key in {path}") for text in idle]
    for place, (fault, remedy) in enumerate(faults):
        # If no key is left, the first fault is the cause of that.
        isCause = not (count or place or hasOthers)
        level, text = (ERROR, f"nobody may knock: {fault}") if isCause else (WARNING, fault)
        yield Finding(level, "keys", text, remedy)
    if count:
        yield Finding(OK, "keys", f"{count} {'key' if count == 1 else 'keys'} in {path} may knock")
    elif not faults and hasOthers:
        yield Finding(OK, "keys", f"{path} has no key yet; its doors have others")
    elif not faults:
        remedy = f"add the lines of ssh-keygen's .pub files to {path}"
        yield Finding(ERROR, "keys", f"nobody may knock: {path} has no usable key", remedy)


def judgeRevoked(path: str, count: int, trouble: str) -> Finding:
    """
    Report whether a file of revoked keys can be used.

    @param count: how many entries it has.
    @param trouble: why it cannot be used; empty if it can.
    """
    if not trouble:
        entries = "1 entry" if count == 1 else f"{count} entries"
        return Finding(OK, "keys", f"{path} revokes keys with {entries}")
    remedy = f"fix {path}, or remove revoked_keys from its doors"
    return Finding(ERROR, "keys", f"nobody may knock with a key: {trouble}", remedy)


def judgeGrants(door: Door, count: int) -> Finding:
    """
    Return whether any key opens a door for networks.

    @param count: how many keys have the option for it.
    """
    keys = " and ".join(f"{key} = {length}" for key, length in door.grants().items())
    if count:
        number = "1 key" if count == 1 else f"{count} keys"
        text = f"{number} can open door {door.name} for whole networks ({keys})"
        return Finding(OK, "keys", text)
    text = f"no key can open door {door.name} for networks, although it has {keys}"
    remedy = f"add the option prefix to a key in {', '.join(door.authorizedKeys)}, or remove {keys}"
    return Finding(WARNING, "keys", text, remedy)


def judgeHook(door: Door, key: str, program: str, trouble: str) -> Finding:
    """
    Return whether the daemon can run a hook.

    @param trouble: why not; empty if it can.
    """
    if not trouble:
        return Finding(OK, "hooks", f"{key} of door {door.name} can be run")
    text = f"{key} of door {door.name} cannot be run: {program} {trouble}"
    return Finding(WARNING, "hooks", text, f"fix that, or remove {key} from door {door.name}")


def reportDistrusted(door: Door, key: str, why: str, remedy: str) -> Finding:
    """Report a hook that the daemon does not run, because others can change what it does."""
    text = (
        f"the daemon does not run {key} of door {door.name}, because others can change what it "
        f"does: {why}"
    )
    return Finding(ERROR, "hooks", text, f"`{remedy}`")


def judgeAudit(path: str, trouble: str) -> Finding:
    """
    Return whether the daemon can write the audit file.

    @param trouble: why not; empty if it can.
    """
    if not trouble:
        return Finding(OK, "audit", f"the daemon can write {path}")
    text = f"the daemon cannot write {path} ({trouble}), so events are only in the log"
    return Finding(WARNING, "audit", text, "fix that, or set audit to another path")


def judgeNftablesService(
    files: Iterable[tuple[str, str]], isOn: bool, isRunning: bool, isOwned: bool = False
) -> Iterator[Finding]:
    """
    Report whether the distribution's nftables service removes our table.

    @param files: its configuration: names and contents.
    @param isOn: whether the service is started, or will be at boot.
    @param isRunning: whether the daemon runs.
    @param isOwned: whether the running daemon owns its table.
    """
    harm = "removes the guard at each restart of nftables, and nobody puts it back"
    if isRunning:
        harm = (
            "removes the guard at each restart of nftables: the daemon puts it back within 100ms, "
            "but only while it runs"
        )
    if isOwned:
        harm = (
            "does not touch the guard while the daemon runs, but removes it once the daemon has "
            "ended"
        )
    for name, content in files:
        if isOn and re.search(r"^\s*flush\s+ruleset\b", content, re.MULTILINE):
            yield Finding(
                INFO if isRunning else WARNING,
                "nftables.service",
                f"`flush ruleset` in {name} {harm}",
                f"in {name}, flush only its own tables (`flush table inet filter`), and use "
                "`systemctl reload nftables` instead of restart",
            )


def judgeIPv6(isOn: bool) -> Finding:
    """Return whether the host has IPv6."""
    if isOn:
        return Finding(OK, "IPv6", "it is on")
    text = (
        "IPv6 is off: a daemon that starts now does not hear knocks over IPv6, even after you turn "
        "it on"
    )
    remedy = (
        "`sysctl -w net.ipv6.conf.all.disable_ipv6=0`, or use --interface 0.0.0.0 to do without"
    )
    return Finding(WARNING, "IPv6", text, remedy)


def judgeTracking(count: int, most: int) -> Finding:
    """Return whether connection tracking, which the guard needs, has room."""
    text = f"{count} of {most} connections"
    if count < FULL * most:
        return Finding(OK, "tracking", text)
    remedy = f"`sysctl -w net.netfilter.nf_conntrack_max={2 * most}`"
    return Finding(WARNING, "tracking", f"{text}: soon the kernel drops new ones", remedy)


def judgeLegacy(tables: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """
    Report rules of the old iptables, which nftables does not see.

    @param tables: those that exist, each with the command that shows it.
    """
    for table, command in tables:
        if table == "nat":
            text = (
                "the old iptables may forward ports here, and nftables does not show that: the "
                "guard then closes a protected port that is forwarded, but not the address and "
                "port that it is forwarded to"
            )
            remedy = f"check if it forwards a protected port: `{command}`"
        else:
            text = "the old iptables has rules here, which this check cannot judge"
            remedy = f"check if they let the ports in: `{command}`"
        yield Finding(WARNING, "iptables", text, remedy)
