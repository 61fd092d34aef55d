"""Attaches a program of L{pkdoors.host.bpf} to a socket, and reads what a socket has dropped."""

import ctypes
import socket
import struct
from contextlib import suppress

from pkdoors.host.bpf import INSTRUCTION_SIZE

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h
_SO_MEMINFO = 55  # likewise
_MEMINFO = struct.Struct("=9I")
_DROPS = 8  # SK_MEMINFO_DROPS; linux/sock_diag.h
_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: number of instructions, and their address


def attachFilter(to: socket.socket, program: bytes) -> None:
    """
    Let a socket receive only what a program lets through, from now on.

    @param program: empty to remove the filter, so that the socket receives everything.
    @raise OSError: the kernel refuses; the previous filter stays.
    """
    if not program:
        with suppress(OSError):  # there was no filter
            to.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        return
    code = ctypes.create_string_buffer(program)
    fprog = _PROGRAM.pack(len(program) // INSTRUCTION_SIZE, ctypes.addressof(code))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def readDrops(of: socket.socket) -> int:
    """
    Return how many packets the kernel has dropped at a socket, modulo 2**32: those that its filter
    refused, and those that found the buffer full.

    @raise OSError: the kernel does not count them.
    """
    info = of.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    return int(_MEMINFO.unpack(info)[_DROPS])
