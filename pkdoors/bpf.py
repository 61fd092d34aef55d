"""
What the kernel lets through to a knock port: programs of the classic Berkeley Packet Filter. Pure.

Junk ends there, and costs the daemon nothing. The language is that of C{bpf_asm}, in the kernel's
C{Documentation/networking/filter.rst}, which has the instructions; their numbers are in
C{linux/bpf_common.h} and C{linux/filter.h}. A filter of a UDP socket sees the UDP header, of eight
bytes, and the payload behind it.
"""

import re
import struct
from collections.abc import Collection, Mapping
from functools import lru_cache

from pkdoors.doors import Address, Door
from pkdoors.seals.seal import MAX_SIGNATURE, MAX_STATEMENT

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

_CODES = {
    "ja": 0x05,  # BPF_JMP | BPF_JA
    "ld [k]": 0x20,  # BPF_LD | BPF_W | BPF_ABS: four bytes, in the network's order
    "ldh [k]": 0x28,  # BPF_LD | BPF_H | BPF_ABS: two
    "ldb [x + k]": 0x50,  # BPF_LD | BPF_B | BPF_IND: one, from X on
    "ldb [k]": 0x30,  # BPF_LD | BPF_B | BPF_ABS: one
    "ld len": 0x80,  # BPF_LD | BPF_W | BPF_LEN
    "sub #k": 0x14,  # BPF_ALU | BPF_SUB | BPF_K
    "tax": 0x07,  # BPF_MISC | BPF_TAX
    "jeq #k": 0x15,  # BPF_JMP | BPF_JEQ | BPF_K
    "jgt #k": 0x25,  # BPF_JMP | BPF_JGT | BPF_K
    "jge #k": 0x35,  # BPF_JMP | BPF_JGE | BPF_K
    "ret #k": 0x06,  # BPF_RET | BPF_K: bytes of the packet to keep
}
_INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: code, how many to skip where true, where not, and k."""
INSTRUCTION_SIZE = _INSTRUCTION.size


_LINE = re.compile(r"(?:(?P<label>\w+):)?\s*(?P<name>\w+)?\s*(?P<rest>[^;]*)(?:;.*)?")
_NUMBER = re.compile(r"#?\b(0x[0-9a-f]+|[0-9]+)\b")


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


def assemble(text: str) -> bytes:
    """
    Make machine code of a program.

    @param text: an instruction a line, with a label before it and a comment behind it where there
        are any. Jumps have one or two labels, where to if it is true, and if not; without, to the
        next instruction. A label at the end stands for whatever is put behind the program.
    @return: struct sock_filter, one for each instruction.
    """
    labels: dict[str, int] = {}
    steps: list[tuple[str, str]] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        assert match is not None, line
        if match["label"]:
            labels[match["label"]] = len(steps)
        if match["name"]:
            steps.append((match["name"], match["rest"].strip()))
    return b"".join(_encode(at, *step, labels) for at, step in enumerate(steps))


def _encode(at: int, name: str, rest: str, labels: Mapping[str, int]) -> bytes:
    if name == "ja":
        return _INSTRUCTION.pack(_CODES[name], 0, 0, labels[rest] - at - 1)
    operand, *targets = (each.strip() for each in rest.split(","))
    number = _NUMBER.search(operand)
    shape = _NUMBER.sub(lambda found: "#k" if found[0][0] == "#" else "k", operand)
    jumps = [labels[target] - at - 1 for target in targets]
    code = _CODES[f"{name} {shape}".strip()]
    return _INSTRUCTION.pack(code, *(*jumps, 0, 0)[:2], int(number[1], 0) if number else 0)
