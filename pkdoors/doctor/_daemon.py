"""The daemon that runs, or is meant to run, on this host. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from pkdoors.config.changes import NEEDS_RESTART, REFUSED, RESTART, WOULD_REFUSE
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.ports import PortRange

NOT_BEFORE = "once the daemon runs, but not before, or everybody gets in"
"""When to run a command that opens a protected port in another firewall."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """
    @ivar process: L{None} if the daemon does not run.
    @ivar start: how to start it, with the options of the check.
    @ivar conf: the configuration file that the check has read; empty if there is none.
    @ivar reload: the command that makes the daemon read that file.
    @ivar isService: whether systemd runs it.
    @ivar isKnown: whether it is known if the daemon runs.
    """

    process: int | None = None
    start: str = "`pkdoors daemon`"
    conf: str = ""
    reload: str = "pkdoors reload"
    isService: bool = False
    isKnown: bool = True

    def remedy(self) -> str:
        """Return how to give the daemon the configuration that the check has."""
        if self.process is None:
            return f"start the daemon: {self.start}"
        if self.conf:
            return f"`{self.reload}`"
        return f"`kill {self.process}`, then start the daemon: {self.start}"

    def restart(self) -> str:
        """Return how to start the daemon again, or for the first time."""
        if self.process is None:
            return self.start
        if self.isService:
            return "`systemctl restart pkdoors`"
        return f"`kill {self.process}`, then {self.start}"


def judgeRunning(daemon: Daemon) -> Finding:
    """Return whether the daemon runs."""
    if daemon.process is None:
        text = "the daemon is not running, so nobody can knock"
        return Finding(WARNING, "daemon", text, daemon.remedy())
    return Finding(OK, "daemon", f"it is running (process {daemon.process})")


def reportNotAtBoot(isOnTrial: bool) -> Finding:
    """
    Report a service that is installed, and not enabled.

    @param isOnTrial: whether it runs on trial.
    """
    if isOnTrial:
        text = "it is on trial: the ports open again when the trial ends, or at a boot"
        return Finding(WARNING, "daemon", text, "once you got in by a knock: `pkdoors keep`")
    text = "after a boot it does not start: nobody can knock then, and no guard closes the ports"
    return Finding(WARNING, "daemon", text, "`systemctl enable pkdoors`")


def reportOutdated(
    daemon: Daemon,
    deaf: Collection[int],
    unguarded: Collection[PortRange],
    knocks: Collection[int],
    pending: Collection[str] = (),
) -> Finding:
    """
    Report that the daemon has not read the current file: somebody changed it without a reload.

    @param deaf: the knock ports that the daemon does not listen on.
    @param unguarded: the ports that it does not protect.
    @param knocks: all knock ports.
    @param pending: what has changed, if the daemon knows that.
    """
    lacks = []
    if deaf:
        lacks.append(f"does not listen on {len(deaf)} of {len(knocks)} knock ports")
    if unguarded:
        lacks.append(f"does not guard {', '.join(map(str, unguarded))}")
    details = [f"it {' and '.join(lacks)}"] if lacks else []
    details += pending
    file = daemon.conf or "configuration"
    text = f"the daemon has not read the current {file}: {'; '.join(details)}"
    remedy = f"`{daemon.reload}`" if pending else daemon.remedy()
    if any(change.endswith(NEEDS_RESTART) for change in pending):
        remedy = f"restart the daemon: {daemon.restart()}"
    elif any(change.startswith(WOULD_REFUSE) for change in pending):
        remedy = f"fix that, then {remedy}"
    return Finding(ERROR if lacks else WARNING, "daemon", text, remedy)


def reportUnread(daemon: Daemon) -> Finding:
    """Report that the file is newer than what the daemon has read, and that it cannot be asked."""
    text = (
        f'{daemon.conf} was changed after the daemon had read it; with admin = "off", this check '
        "cannot see what changed"
    )
    return Finding(INFO, "daemon", text, f"`{daemon.reload}`")


def reportTrouble(trouble: str, daemon: Daemon) -> Finding:
    """Report what the running daemon says that it cannot do."""
    if trouble.endswith(f": {RESTART}"):
        text = trouble.removesuffix(f": {RESTART}")
        return Finding(ERROR, "daemon", text, f"restart the daemon: {daemon.restart()}")
    if trouble.startswith(REFUSED):
        return Finding(ERROR, "daemon", trouble, f"fix that, then {daemon.remedy()}")
    return Finding(ERROR, "daemon", trouble, "fix that; the daemon tries again by itself")
