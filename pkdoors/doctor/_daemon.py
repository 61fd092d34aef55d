"""The daemon that runs, or that is meant to. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from pkdoors.doctor.findings import ERROR, Finding
from pkdoors.model.ports import PortRange


@dataclass(frozen=True, slots=True)
class Daemon:
    """
    @ivar process: L{None} where it does not run.
    @ivar start: how to start it, with the options of the check.
    @ivar conf: the configuration file that the check has read; empty where there is none.
    @ivar reload: the command that has it read that.
    @ivar isService: whether systemd runs it.
    """

    process: int | None = None
    start: str = "`twistd pkdoors`"
    conf: str = ""
    reload: str = "pkdoors reload"
    isService: bool = False

    def remedy(self) -> str:
        """How it comes to have what the check was told."""
        if self.process is None:
            return f"start the daemon: {self.start}"
        if self.conf:
            return f"`{self.reload}`"
        return f"`kill {self.process}`, and start the daemon: {self.start}"

    def restart(self) -> str:
        """Return how it is started again, or for the first time."""
        if self.process is None:
            return self.start
        if self.isService:
            return "`systemctl restart pkdoors`"
        return f"`kill {self.process}`, then {self.start}"


def otherFile(
    daemon: Daemon, deaf: Collection[int], unguarded: Collection[PortRange], knocks: Collection[int]
) -> Finding:
    """
    The file is not what the daemon has read: who has changed it has yet to say so.

    @param deaf: the knock ports that it does not listen on.
    @param unguarded: the ports that it does not protect.
    @param knocks: all knock ports.
    """
    lacks = []
    if deaf:
        lacks.append(f"does not listen on {len(deaf)} of {len(knocks)} knock ports")
    if unguarded:
        lacks.append(f"does not guard {', '.join(map(str, unguarded))}")
    text = f"it has not read what {daemon.conf} says now, and {' and '.join(lacks)}"
    return Finding(ERROR, "daemon", text, daemon.remedy())


def degraded(trouble: str) -> Finding:
    """Return what the running daemon says that it cannot do."""
    return Finding(ERROR, "daemon", trouble, "mend that: the daemon tries again by itself")
