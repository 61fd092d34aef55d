"""What the page is told of a host, and of its operator."""

import os
import pwd
import socket
from collections.abc import Mapping

from pkdoors import __version__
from pkdoors.adminclient.sshorigin import findSshOrigin
from pkdoors.errors import BadValue


def describeHost(environment: Mapping[str, str]) -> Mapping[str, str]:
    """
    Return the host's name, the version of pkdoors, the user as whom it is asked, and the address
    that the operator's ssh comes from, which is empty if there is no ssh.
    """
    try:
        address = str(findSshOrigin(environment))
    except BadValue:
        address = ""
    return {
        "host": socket.gethostname(),
        "version": __version__.public(),
        "user": _findUser(),
        "address": address,
    }


def _findUser() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
