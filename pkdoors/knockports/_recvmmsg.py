"""
Reads many datagrams from a socket in one call: C{recvmmsg(2)}, which Python does not have. Under a
flood, one call per datagram would cost more than everything that we do with it.
"""

import ctypes
import socket
import struct
from itertools import islice

MOST = 64
"""Datagrams in one call; after that other sockets get their turn."""
SO_TIMESTAMPNS = 35  # asm-generic/socket.h

_NAME = 28  # struct sockaddr_in6, the longer one
_TIMESPEC = struct.Struct("@ll")
_CONTROL = socket.CMSG_SPACE(_TIMESPEC.size)

Datagram = tuple[str, bytes, int]
"""The sender's address as C{inet_ntop(3)} writes it, the payload, and when the kernel received it,
in nanoseconds since 1970."""


class _Part(ctypes.Structure):
    """C{struct iovec}."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """C{struct msghdr}."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("nameLength", ctypes.c_uint),
        ("parts", ctypes.c_void_p),
        ("partCount", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controlLength", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """C{struct mmsghdr}."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_LENGTH = struct.Struct(
    f"={_Message.length.offset}xI"
    f"{ctypes.sizeof(_Message) - _Message.length.offset - ctypes.sizeof(ctypes.c_uint)}x"
)
_STAMP = struct.Struct(f"@{socket.CMSG_LEN(0)}xll")
_ADDRESSES = {
    socket.AF_INET: struct.Struct("=4x4s20x"),  # struct sockaddr_in
    socket.AF_INET6: struct.Struct("=8x16s4x"),  # struct sockaddr_in6
}


class BatchReceiver:
    """
    Reads sockets that have C{SO_TIMESTAMPNS}, one after the other.

    All buffers are made once and used for every call, whichever socket is read.

    @param size: bytes of a datagram that are read; longer ones are cut off.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._names = ctypes.create_string_buffer(MOST * _NAME)
        self._controls = ctypes.create_string_buffer(MOST * _CONTROL)
        self._datagrams = ctypes.create_string_buffer(MOST * size)
        self._parts = (_Part * MOST)()
        self._messages = (_Message * MOST)()
        for at, (part, message) in enumerate(zip(self._parts, self._messages, strict=True)):
            part.base, part.length = ctypes.addressof(self._datagrams) + at * size, size
            header = message.header
            header.name, header.nameLength = ctypes.addressof(self._names) + at * _NAME, _NAME
            header.parts, header.partCount = ctypes.addressof(part), 1
            header.control = ctypes.addressof(self._controls) + at * _CONTROL
            header.controlLength = _CONTROL
        self._fresh = bytes(self._messages)  # as they must be before each call
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._call.argtypes = (
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_void_p,
        )

    def receive(self, udp: socket.socket, family: socket.AddressFamily) -> list[Datagram]:
        """
        Return the datagrams that have come, L{MOST} at most.

        @param family: the socket's family, which the socket computes each time.
        @raise OSError: nothing has come, or the network has reported an error for the socket.
        """
        ctypes.memmove(self._messages, self._fresh, len(self._fresh))
        messages = ctypes.addressof(self._messages)
        count = self._call(udp.fileno(), messages, MOST, socket.MSG_DONTWAIT, None)
        if count < 0:
            raise OSError(ctypes.get_errno(), "recvmmsg")
        size = self._size
        received = zip(
            _ADDRESSES[family].iter_unpack(self._names),
            _LENGTH.iter_unpack(self._messages),
            _STAMP.iter_unpack(self._controls),
            range(0, MOST * size, size),
            strict=False,
        )
        payloads = memoryview(self._datagrams)
        asText = socket.inet_ntop
        return [
            (
                asText(family, raw),
                payloads[at : at + length].tobytes(),
                seconds * 10**9 + nanoseconds,
            )
            for (raw,), (length,), (seconds, nanoseconds), at in islice(received, count)
        ]
