"""Reads all tables of the kernel's firewall through libnftables."""

from collections.abc import Callable
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.kernel import checkPrivilege
from pkdoors.firewall.netlink.library import connect


def listTables(
    connect: Callable[[], Any] = connect, check: Callable[[], None] = checkPrivilege
) -> str:
    """
    Return the output of C{nft -j list ruleset}.

    @raise FirewallError: the library is missing, or the kernel refused.
    """
    check()
    library = connect()
    library.set_json_output(True)
    status, listing, errors = library.cmd("list ruleset")
    if status:
        reason = errors.strip().partition("\n")[0]
        raise FirewallError(f"cannot read the rules of nftables ({reason}): try `nft list ruleset`")
    return str(listing)
