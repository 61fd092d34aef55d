"""How a user starts C{pkdoors} again, as messages show it."""

import os
from collections.abc import Mapping


def showProgram(environment: Mapping[str, str]) -> str:
    """
    Return what a user must type to start this installation, after C{sudo} if the user has used
    that.
    """
    from pkdoors.host.program import ownCommand

    isSudo = os.geteuid() == 0 and environment.get("SUDO_UID")
    return f"sudo {ownCommand()}" if isSudo else ownCommand()
