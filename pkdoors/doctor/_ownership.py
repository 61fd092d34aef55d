"""Whose the table of the guard is, and where it comes from. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.firewall.guard.guard import HANDOVER, TABLE

_SUBJECT = "guard"


@dataclass(frozen=True, slots=True)
class GuardState:
    """
    What the kernel says of our table.

    @ivar isThere: whether there is one of its name.
    @ivar isOurs: whether it is a guard of this version.
    @ivar isOfThisBoot: whether its openings were granted in this boot, and in this very table.
    @ivar isOwned: whether a living process owns it.
    @ivar isLasting: whether it had an owner, or has, and outlives it.
    @ivar canBeOwned: whether kernel and nft can give it an owner.
    @ivar isHandingOver: whether the table is there, and stays, that guards while the other is
        replaced.
    """

    isThere: bool = True
    isOurs: bool = True
    isOfThisBoot: bool = True
    isOwned: bool = False
    isLasting: bool = False
    canBeOwned: bool = False
    isHandingOver: bool = False


def guard(state: GuardState, daemon: Daemon) -> Iterator[Finding]:
    """Say who can take the guard away, and what is wrong with it as a whole. Whether it keeps each
    port closed is another question."""
    restart = f"restart the daemon: {daemon.restart()}"
    if state.isThere and not state.isOurs:
        text = f"the table inet {TABLE} was made by another version of pkdoors, or another program"
        yield Finding(WARNING, _SUBJECT, text, restart)
    elif state.isThere and not state.isOfThisBoot:
        text = (
            f"the table inet {TABLE} was loaded from a saved ruleset: clients whose openings were "
            "saved with it can get in"
        )
        yield Finding(ERROR, _SUBJECT, text, restart)
    elif state.isThere:
        yield _owner(state, daemon)
    if state.isHandingOver:
        yield _leftBehind(state, daemon)


def _owner(state: GuardState, daemon: Daemon) -> Finding:
    if daemon.process is None:
        return _withoutDaemon(state, daemon)
    if state.isOwned:
        text = "the daemon owns its table: no other program can flush or change it"
        return Finding(OK, _SUBJECT, text)
    risk = (
        "a flush of nftables by another program opens the protected ports for some milliseconds, "
        "until the daemon puts the guard back"
    )
    if state.isLasting or state.canBeOwned:
        text = f"the running daemon does not own its table, though it could: {risk}"
        return Finding(WARNING, _SUBJECT, text, f"restart the daemon: {daemon.restart()}")
    remedy = "Linux 6.9 and nft 1.1, or later, would prevent that"
    return Finding(INFO, _SUBJECT, risk, remedy)


def _withoutDaemon(state: GuardState, daemon: Daemon) -> Finding:
    if state.isOwned:
        text = f"another process than the daemon owns the table inet {TABLE}"
        remedy = f"end it (`nft list table inet {TABLE}` names it), then {daemon.remedy()}"
        return Finding(WARNING, _SUBJECT, text, remedy)
    text = (
        "the daemon has ended and left its guard: the protected ports stay closed only until a "
        "program flushes nftables"
    )
    return Finding(WARNING, _SUBJECT, text, daemon.remedy())


def _leftBehind(state: GuardState, daemon: Daemon) -> Finding:
    text = (
        f"the table inet {HANDOVER} is still there (a daemon ended while it replaced its guard): "
        "it keeps ports closed that the daemon opens"
    )
    command = f"`nft delete table inet {HANDOVER}`"
    remedy = command if state.isThere and state.isOurs else daemon.remedy()
    return Finding(WARNING, _SUBJECT, text, remedy)
