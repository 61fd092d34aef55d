"""
Programs of the classic Berkeley Packet Filter. Pure.

The language is that of C{bpf_asm}: the kernel's C{Documentation/networking/filter.rst} explains the
instructions; C{linux/bpf_common.h} and C{linux/filter.h} have their numbers.
"""

import re
import struct
from collections.abc import Mapping

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
"""struct sock_filter: code, how many to skip if true, if not, and k."""
INSTRUCTION_SIZE = _INSTRUCTION.size


_LINE = re.compile(r"(?:(?P<label>\w+):)?\s*(?P<name>\w+)?\s*(?P<rest>[^;]*)(?:;.*)?")
_NUMBER = re.compile(r"#?\b(0x[0-9a-f]+|[0-9]+)\b")


def assemble(text: str) -> bytes:
    """
    Translate a program to machine code.

    @param text: an instruction a line, after an optional label and before an optional comment. A
        jump has one or two labels: the targets if its condition is true, and if not; a missing
        target is the next instruction. A label at the end is the start of any code that is appended
        to the program.
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
    operand, *targets = (part.strip() for part in rest.split(","))
    number = _NUMBER.search(operand)
    shape = _NUMBER.sub(lambda found: "#k" if found[0][0] == "#" else "k", operand)
    jumps = [labels[target] - at - 1 for target in targets]
    code = _CODES[f"{name} {shape}".strip()]
    ifTrue, ifFalse, *_ = (*jumps, 0, 0)
    return _INSTRUCTION.pack(code, ifTrue, ifFalse, int(number[1], 0) if number else 0)
