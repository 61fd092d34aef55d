"""Attaches a program of L{pkdoors.bpf} to a socket."""

import ctypes
import socket
import struct

from pkdoors.bpf import INSTRUCTION_SIZE

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: instructions, and where they are


def attachFilter(to: socket.socket, program: bytes) -> None:
    """
    Let a socket hear only what a program lets through, from now on.

    @raise OSError: the kernel does not do that; what it let through before, it still does.
    """
    code = ctypes.create_string_buffer(program)
    fprog = _PROGRAM.pack(len(program) // INSTRUCTION_SIZE, ctypes.addressof(code))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
