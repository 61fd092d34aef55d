"""
Programs for the classic Berkeley Packet Filter that decide which datagrams reach a knock port.
Pure.

The kernel drops junk, so it costs the daemon nothing. A filter of a UDP socket sees the UDP header,
of eight bytes, and the payload behind it.
"""

from collections.abc import Collection
from functools import lru_cache

from pkdoors.host.bpf import assemble
from pkdoors.knocks.knock import MAX_PLAIN
from pkdoors.knocks.seal import MAX_SIGNATURE, MAX_STATEMENT
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, listKnockPorts

_UDP_HEADER = 8

_PLAIN = """
        ld   len                ; A: bytes of header and payload
        jge  #13, least, other  ; "knock" is the shortest
least:  jgt  #{most}, other     ; with a time and blanks, the longest
        ld   [8]
        jeq  #0x6b6e6f63, begins, other  ; "knoc"
begins: ldb  [12]
        jeq  #0x6b, whole, other  ; "k"
whole:  ld   len
        jeq  #13, take
        sub  #1
        tax                     ; X: the place of its last byte
        ldb  [13]
        jeq  #0x20, ends        ; a time, or blanks
        jeq  #0x0a, ends        ; "\\n"
        jeq  #0x0d, ends        ; "\\r"
        jeq  #0x09, ends, other ; "\\t"
ends:   ldb  [x + 0]
        jeq  #0x0a, take
        jeq  #0x0d, take
        jeq  #0x20, take
        jeq  #0x09, take
        jge  #0x30, digit, other
digit:  jgt  #0x39, other, take ; the last digit of the time
other:
"""
"""Accepts a plain knock. What is between its first and its last byte, the daemon checks."""

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
"""Accepts a sealed knock, as far as its length and its beginning show."""

_END = """
drop:   ret  #0
take:   ret  #0xffff            ; all of it
"""

TAKE_ALL = "        ret  #0xffff"
"""Accepts every datagram, also behind an L{addressFilter}."""

_NETWORK = 0xFFF00000  # SKF_NET_OFF: from here on, offsets count from the IP header
_INTERFACE = 0xFFFFF008  # SKF_AD_OFF + SKF_AD_IFINDEX: the interface that the packet came by
_DESTINATION = {4: 16, 6: 24}  # where the IP header has it


def knockFilters(doors: Collection[Door]) -> dict[int, bytes]:
    """
    Return, for each knock port of these doors over UDP, the program that accepts their knocks.
    Plain knocks are heard everywhere: where they open nothing, somebody has the wrong client, and
    the log says so. A port of a door that hears any payload accepts everything: the locks sort that
    out.
    """
    every = listKnockPorts(door for door in doors if door.hearsAny)
    sealed = {*listKnockPorts(door for door in doors if door.authorizedKeys)}
    filters = {port: knockFilter(port in sealed) for port in listKnockPorts(doors)}
    return filters | dict.fromkeys(every, assemble(TAKE_ALL))


@lru_cache(2)
def knockFilter(isSealed: bool) -> bytes:
    """Return the program for a port that hears plain knocks, and perhaps sealed ones."""
    most = _UDP_HEADER + MAX_STATEMENT + MAX_SIGNATURE
    plain = _PLAIN.format(most=_UDP_HEADER + MAX_PLAIN)
    sealed = _SEALED.format(most=most) if isSealed else "        ret  #0"
    return assemble(plain + sealed + _END)


@lru_cache(8)  # very many sockets have the same one
def addressFilter(addresses: tuple[tuple[Address, int], ...]) -> bytes:
    """
    Return the program that drops datagrams to other addresses, and continues behind its end with
    the rest.

    @param addresses: all of the same IP version, each with the number of the interface by which a
        datagram must come; 0 for any.
    """
    blocks = [_addressBlock(number, *pair) for number, pair in enumerate(addresses)]
    return assemble("".join(blocks) + "        ret  #0\nhit:\n")


def _addressBlock(number: int, address: Address, interface: int) -> str:
    field = _NETWORK + _DESTINATION[address.version]
    raw = address.packed
    tests = [(field + at, int.from_bytes(raw[at : at + 4])) for at in range(0, len(raw), 4)]
    if interface:
        tests.append((_INTERFACE, interface))
    lines = [
        f"        ld   [{at:#x}]\n        jeq  #{value:#x}, is{number}x{step}, not{number}\n"
        f"is{number}x{step}:\n"
        for step, (at, value) in enumerate(tests)
    ]
    # A jump of its own: with many addresses "hit" is too far for that of a comparison.
    return "".join(lines) + f"        ja   hit\nnot{number}:\n"
