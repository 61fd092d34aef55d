"""What the daemon tells others: hooks, and the audit file. Pure."""

from pkdoors.doctor.findings import OK, WARNING, Finding
from pkdoors.doors import Door


def hook(door: Door, key: str, program: str, trouble: str) -> Finding:
    """
    Whether a hook can be run.

    @param trouble: why not; empty where it can.
    """
    if not trouble:
        return Finding(OK, "hooks", f"{key} of door {door.name} can be run")
    text = f"{key} of door {door.name} cannot be run: {program} {trouble}"
    return Finding(WARNING, "hooks", text, f"mend that, or take {key} out of door {door.name}")


def audit(path: str, trouble: str) -> Finding:
    """
    Whether the audit file can be written.

    @param trouble: why not; empty where it can.
    """
    if not trouble:
        return Finding(OK, "audit", f"{path} can be written")
    text = f"{path} cannot be written ({trouble}): events are in the log only"
    return Finding(WARNING, "audit", text, "mend that, or give audit another path")
