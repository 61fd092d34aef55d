"""Attaches a program of L{pkdoors.host.bpf} to a socket."""

import ctypes
import socket
import struct
from contextlib import suppress

from pkdoors.host.bpf import INSTRUCTION_SIZE

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h
_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: instructions, and where they are


def attachFilter(to: socket.socket, program: bytes) -> None:
    """
    Let a socket hear only what a program lets through, from now on.

    @param program: empty for none: then it hears all.
    @raise OSError: the kernel does not do that; what it let through before, it still does.
    """
    if not program:
        with suppress(OSError):  # there was none
            to.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        return
    code = ctypes.create_string_buffer(program)
    fprog = _PROGRAM.pack(len(program) // INSTRUCTION_SIZE, ctypes.addressof(code))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
