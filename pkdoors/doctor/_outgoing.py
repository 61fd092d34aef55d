"""What the daemon tells others: hooks, and the audit file. Pure."""

from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.model.doors import Door


def hook(door: Door, key: str, program: str, trouble: str) -> Finding:
    """
    Whether a hook can be run.

    @param trouble: why not; empty where it can.
    """
    if not trouble:
        return Finding(OK, "hooks", f"{key} of door {door.name} can be run")
    text = f"{key} of door {door.name} cannot be run: {program} {trouble}"
    return Finding(WARNING, "hooks", text, f"mend that, or take {key} out of door {door.name}")


def distrusted(door: Door, key: str, why: str, remedy: str) -> Finding:
    """The daemon does not run a hook, because others can change what it does."""
    text = f"{key} of door {door.name} is not run, others decide what it does: {why}"
    return Finding(ERROR, "hooks", text, f"`{remedy}`")


def audit(path: str, trouble: str) -> Finding:
    """
    Whether the audit file can be written.

    @param trouble: why not; empty where it can.
    """
    if not trouble:
        return Finding(OK, "audit", f"{path} can be written")
    text = f"{path} cannot be written ({trouble}): events are in the log only"
    return Finding(WARNING, "audit", text, "mend that, or give audit another path")
