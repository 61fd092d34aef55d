"""
What the kernel lets through to a knock port, as programs of the classic Berkeley Packet Filter.
Pure.

Junk ends there, and costs the daemon nothing. A filter of a UDP socket sees the UDP header, of
eight bytes, and the payload behind it.
"""

from collections.abc import Collection
from functools import lru_cache

from pkdoors.host.bpf import assemble
from pkdoors.knocks.seal import MAX_SIGNATURE, MAX_STATEMENT
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door

_UDP_HEADER = 8

_PLAIN = """
        ld   len                ; A: bytes of header and payload
        jeq  #14, short         ; "knock\\n"
        jge  #16, fits, other   ; "knock 1\\n" is the shortest that asks for a time
fits:   jgt  #24, other         ; and "knock 999999999\\n" the longest
        sub  #1
        tax                     ; X: where its last byte is
        ldb  [x + 0]
        jeq  #10, ends, other   ; "\\n"
ends:   ldh  [12]
        jeq  #0x6b20, begins, other  ; "k "
short:  ldh  [12]
        jeq  #0x6b0a, begins, other  ; "k\\n"
begins: ld   [8]
        jeq  #0x6b6e6f63, take, other  ; "knoc"
other:
"""
"""A plain knock. That it asks with digits, the daemon sees."""

_SEALED = """
        ld   len                ; A: bytes of header and payload
        jgt  #{most}, drop      ; the longest statement and the longest signature
        jge  #52, long, drop    ; the shortest statement, and a signature of one byte
long:   ld   [8]
        jeq  #0x706b646f, more, drop  ; "pkdo"
more:   ld   [12]
        jeq  #0x6f727331, last, drop  ; "ors1"
last:   ldb  [16]
        jeq  #0x20, take, drop  ; " "
"""
"""A sealed knock, as far as can be told without reading all of it."""

_END = """
drop:   ret  #0
take:   ret  #0xffff            ; all of it
"""

TAKE_ALL = "        ret  #0xffff"
"""What follows a L{addressFilter} if every datagram to those addresses is wanted."""

_NETWORK = 0xFFF00000  # SKF_NET_OFF: from here on, offsets count from the IP header
_INTERFACE = 0xFFFFF008  # SKF_AD_OFF + SKF_AD_IFINDEX: the interface that the packet came by
_DESTINATION = {4: 16, 6: 24}  # where the IP header has it


def knockFilters(doors: Collection[Door]) -> dict[int, bytes]:
    """For each knock port of these doors, the program that lets their knocks through."""
    plain = {port for door in doors if not door.authorizedKeys for port in door.sequence.ports}
    sealed = {port for door in doors if door.authorizedKeys for port in door.sequence.ports}
    return {port: knockFilter(port in plain, port in sealed) for port in plain | sealed}


def knockFilter(isPlain: bool, isSealed: bool) -> bytes:
    """The program for a port that hears plain knocks, sealed ones, or both."""
    most = _UDP_HEADER + MAX_STATEMENT + MAX_SIGNATURE
    sealed = _SEALED.format(most=most) if isSealed else "        ret  #0"
    return assemble((_PLAIN if isPlain else "") + sealed + _END)


@lru_cache(8)  # the same one is on very many sockets
def addressFilter(addresses: tuple[tuple[Address, int], ...]) -> bytes:
    """
    Return the program that drops what is not for one of some addresses, and goes on behind its end
    with what is.

    @param addresses: all of the same IP version. With each, the number of the interface that the
        datagram must come by; 0 for any.
    """
    blocks = [_addressBlock(number, *each) for number, each in enumerate(addresses)]
    return assemble("".join(blocks) + "        ret  #0\nhit:\n")


def _addressBlock(number: int, address: Address, interface: int) -> str:
    where = _NETWORK + _DESTINATION[address.version]
    raw = address.packed
    tests = [(where + at, int.from_bytes(raw[at : at + 4])) for at in range(0, len(raw), 4)]
    if interface:
        tests.append((_INTERFACE, interface))
    lines = [
        f"        ld   [{at:#x}]\n        jeq  #{value:#x}, is{number}x{step}, not{number}\n"
        f"is{number}x{step}:\n"
        for step, (at, value) in enumerate(tests)
    ]
    # Not the jump of the comparison itself: with many addresses it is too far for that.
    return "".join(lines) + f"        ja   hit\nnot{number}:\n"
