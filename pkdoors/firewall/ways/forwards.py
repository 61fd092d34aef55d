"""What is known of the ports that the host forwards. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from pkdoors.firewall.ways._xtables import Target


class Forward(NamedTuple):
    """
    Original ports from C{first} to C{last} that a rule forwards.
    """

    protocol: str
    first: int
    last: int
    target: Target


class NftName(NamedTuple):
    """A table, or something in one."""

    family: int
    table: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Forwards:
    """
    @ivar found: what is forwarded, without duplicates.
    @ivar tables: those that have chains for it.
    @ivar sets: the sets in which their rules look up ports and addresses.
    @ivar isCut: whether there is more than can be read.
    """

    found: tuple[Forward, ...] = ()
    tables: frozenset[NftName] = frozenset()
    sets: frozenset[NftName] = frozenset()
    isCut: bool = False
