"""
What a command of another program cannot do as a hook: that program ran it as root, and our service
runs it as its own user, in a sandbox. Pure.
"""

import re
from collections.abc import Sequence

_PROGRAM = re.compile(r"(?:^|[\s;&|(`'\"])(?:/[\w./-]*/)?([\w.-]+)(?=$|[\s;&|)`'\"])")
_TOUCHES = re.compile(r"(?:^|[\s'\"=>])(?:/home|/root|~)(?:/|$)|>|\b(?:tee|touch|mkdir|cp|mv|rm)\b")
"""Folders that the sandbox hides, and what writes files."""
_UNIT = "let a unit of systemd do that (manual: Doors that run something)"

_ADVICE: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"sudo", "su", "doas", "pkexec", "runuser"}),
        f"gains no rights there, not even with a password: {_UNIT}",
    ),
    (
        frozenset({"systemctl", "service", "rc-service", "loginctl", "shutdown", "reboot"}),
        "needs a polkit rule that allows the user of the service exactly that unit (manual: Doors "
        "that run something)",
    ),
    (
        frozenset({"ufw", "fail2ban-client", "shorewall", "csf", "docker", "podman", "virsh"}),
        f"answers root only: {_UNIT}",
    ),
    (
        frozenset({"iptables-legacy", "ip6tables-legacy"}),
        "cannot write its lock in /run: use iptables-nft",
    ),
    (
        frozenset(
            {"iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "nft", "ipset"}
            | {"firewall-cmd"}
        ),
        "may change the firewall there, unless it is the old iptables: knock once, and look at the "
        "rules",
    ),
    (
        frozenset({"mail", "mailx", "sendmail", "mutt"}),
        "cannot hand a mail to most mail systems: use the hook pkdoors-mail of the manual",
    ),
)
"""Programs, and what is to be done about each."""
_FILES = (
    "the sandbox has no /home and /root, a /tmp of its own, and everything else read-only but "
    "/var/lib/pkdoors and /var/log/pkdoors: if it needs more, allow that with `systemctl edit "
    "pkdoors` (ReadWritePaths=, ProtectHome=no)"
)
_OTHERWISE = f"it runs without the rights of root, and {_FILES}"


def explainHook(command: Sequence[str]) -> list[str]:
    """Return what to look at before a command runs as a hook, a sentence each."""
    text = " ".join(command)
    programs = dict.fromkeys(_PROGRAM.findall(_withoutShell(command)))
    found = []
    for names, advice in _ADVICE:
        if used := [name for name in programs if name in names]:
            found.append(f"{', '.join(used)} {advice}")
    if _TOUCHES.search(text):
        found.append(_FILES)
    return found or [_OTHERWISE]


def _withoutShell(command: Sequence[str]) -> str:
    """Return what is run, without the shell that runs it."""
    isShell = len(command) == 3 and command[1] == "-c"
    return command[2] if isShell else " ".join(command)
