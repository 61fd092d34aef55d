"""
Builds the messages that change the kernel's nftables. Pure; L{pkdoors.firewall.netlink.dump} has
the messages that read it.

libnftables could do it, too, but it reads the host's whole ruleset before each command, with all
elements of everybody's sets: on a host with a blocklist of 50,000 networks, one opening took 0.1 s.

Formats and numbers: C{linux/netlink.h}, C{linux/netfilter/nfnetlink.h} and
C{linux/netfilter/nf_tables.h}; in host byte order, unless the network's is mentioned.
"""

import errno
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeVar

T = TypeVar("T")

NETLINK_NETFILTER = 12
MAX_ANSWER = 65_536
"""Bytes of one read: an answer has at most some hundred, a part of a dump 32 kilobytes."""

NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
INET = 1  # NFPROTO_INET
REQUEST, ACK, EXCLUSIVE, DUMP, CREATE = 0x1, 0x4, 0x200, 0x300, 0x400  # NLM_F_...
ERROR, DONE = 2, 3  # NLMSG_...
DUMP_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
PERSISTS = 0x4  # NFT_TABLE_F_PERSIST
OWNED = 0x2 | PERSISTS  # NFT_TABLE_F_OWNER

_BEGIN, _END = 16, 17  # NFNL_MSG_BATCH_...
_NEW_TABLE, NEW_ELEMENT, DELETE_ELEMENT = 0, 12, 14  # NFT_MSG_...
_NESTED = 0x8000  # NLA_F_NESTED
_JUMP = b"\xff\xff\xff\xfd"  # NFT_JUMP, in the network's order

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
FAMILY = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource (network's order)
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_KEY = struct.Struct("=HHHH")  # two of these, one within the other
_FLAGS = struct.Struct("!I")  # NFTA_TABLE_FLAGS (network's order)
_CODE = struct.Struct("=i")  # struct nlmsgerr: a negative errno, or 0
_MILLISECONDS = struct.Struct("!Q")  # NFTA_SET_ELEM_TIMEOUT (network's order)
_PADDING = (b"", bytes(3), bytes(2), bytes(1))  # to a multiple of 4 bytes, by the rest

PORTION = 200
"""Elements in one message: even with the longest comments they fit into an attribute, which has at
most 64 kilobytes, and into the buffers of a container that may not enlarge them."""

TOGETHER = 800
"""Elements of openings in one transaction, which is several messages: with the longest comments
they fit into the buffer from which a container may send. The kernel takes some milliseconds for
them, during which no other opening can begin."""


class Element(NamedTuple):
    """
    An element of a set.

    @ivar key: the bytes as in a packet, 4 or 16 for an address; each part of a concatenation is
        padded to 4 bytes.
    @ivar timeout: its own timeout in milliseconds; 0 for the set's.
    @ivar expires: the milliseconds that it has left; 0 for the whole timeout.
    @ivar comment: a text that C{nft list} shows, at most 127 bytes of ASCII.
    @ivar chain: in a verdict map, the chain to which packets jump.
    @ivar isEnd: in a set of intervals, whether it is the first key after one.
    """

    key: bytes
    timeout: int = 0
    expires: int = 0
    comment: str = ""
    chain: str = ""
    isEnd: bool = False


def createTable(table: str, flags: int = 0) -> bytes:
    """
    Return the batch that creates a table, or takes over one that exists.

    @param flags: with L{OWNED}, the sending socket becomes the owner of a table that has none: then
        only that socket can change the table, which stays when the socket is closed.
    """
    body = text(1, table) + attribute(2, _FLAGS.pack(flags))  # NFTA_TABLE_NAME, ..._FLAGS
    return batch(message(_NEW_TABLE, CREATE | ACK, body))


def splitPortions(items: Iterable[T], size: int = PORTION) -> Iterator[list[T]]:
    """Split items into lists of at most C{size}."""
    iterator = iter(items)
    while portion := list(islice(iterator, size)):
        yield portion


def batch(*messages: bytes) -> bytes:
    """Return the messages as one transaction."""
    return b"".join((_BATCH_BEGIN, *messages, _BATCH_END))


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Return one message of the kind C{NFT_MSG_...} to nftables, about the C{inet} family."""
    return _frame(NFTABLES << 8 | kind, REQUEST | flags, INET, body)


def buildMessage(
    subsystem: int, kind: int, flags: int, body: bytes, family: int, resource: int = 0
) -> bytes:
    """
    Return one message to a subsystem C{NFNL_SUBSYS_...}.

    @param resource: which one of the subsystem's, for example a group of the packet log.
    """
    return _frame(subsystem << 8 | kind, REQUEST | flags, family, body, resource)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that contains a text."""
    return attribute(kind, value.encode() + b"\0")


def attribute(kind: int, body: bytes) -> bytes:
    """Return an attribute of a message."""
    length = len(body)
    return _ATTRIBUTE.pack(4 + length, kind) + body + _PADDING[length % 4]


def iterAttributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """
    Yield the type and the content of each attribute in a message or attribute. Nothing is raised,
    whatever the bytes.
    """
    while len(body) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body)
        length = max(length, _ATTRIBUTE.size)
        yield kind & 0x3FFF, body[_ATTRIBUTE.size : length]
        body = body[length + 3 & ~3 :]


def parseAttributes(body: bytes) -> dict[int, bytes]:
    """Return the attributes by type; if a type occurs more than once, its first attribute."""
    found: dict[int, bytes] = {}
    for kind, content in iterAttributes(body):
        found.setdefault(kind, content)
    return found


def splitMessages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type, the flags and the body of each message in an answer."""
    at = 0  # an index, not a copy of the rest for each message: a dump may have megabytes
    while len(data) - at >= HEADER.size:
        length, kind, flags, *_ = HEADER.unpack_from(data, at)
        length = max(length, HEADER.size)
        yield kind, flags, data[at + HEADER.size : at + length]
        at += length + 3 & ~3


def firstError(answer: bytes) -> int:
    """Return the first errno among the kernel's answers to a batch; 0 for success."""
    codes = [
        readErrno(body)
        for kind, _, body in splitMessages(answer)
        if kind == ERROR and len(body) >= _CODE.size  # a success is reported by one, too
    ]
    return next(filter(None, codes), 0) if codes else errno.EPROTO


def readErrno(body: bytes) -> int:
    """Return the errno in the body of a message L{ERROR} or L{DONE}; 0 for success."""
    return -int(_CODE.unpack_from(body)[0]) if len(body) >= _CODE.size else 0


def removal(table: str, name: str, keys: Iterable[bytes]) -> bytes:
    """Return the messages that delete elements; a missing element is not an error."""
    # Add first: deleting a missing element would be an error, and undo the whole batch.
    plain = listOf(table, name, map(encodeKey, keys))
    return message(NEW_ELEMENT, CREATE, plain) + message(DELETE_ELEMENT, ACK, plain)


def _frame(kind: int, flags: int, family: int, body: bytes, resource: int = 0) -> bytes:
    head = HEADER.pack(20 + len(body), kind, flags, 0, 0)  # HEADER.size + FAMILY.size
    return head + FAMILY.pack(family, 0, resource) + body


_BATCH_BEGIN, _BATCH_END = (_frame(kind, REQUEST, 0, b"", NFTABLES) for kind in (_BEGIN, _END))


def listKeys(keys: Iterable[bytes]) -> bytes:
    """Return the attribute with a list of elements that have nothing but a key."""
    return _listed(map(encodeKey, keys))


def _listed(elements: Iterable[bytes]) -> bytes:
    # NFTA_SET_ELEM_LIST_ELEMENTS { NFTA_LIST_ELEM ... }
    return attribute(3 | _NESTED, b"".join([attribute(1 | _NESTED, each) for each in elements]))


def listOf(table: str, name: str, elements: Iterable[bytes]) -> bytes:
    """Return the body of a message about elements of a set."""
    return _whose(table, name) + _listed(elements)


@lru_cache(maxsize=4096)  # each opening names its set three times
def _whose(table: str, name: str) -> bytes:
    return text(1, table) + text(2, name)  # NFTA_SET_ELEM_LIST_TABLE, ..._SET


def encodeKey(key: bytes) -> bytes:
    """Return an element that has nothing but a key."""
    # NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE }
    if len(key) % 4:
        return attribute(1 | _NESTED, attribute(1, key))
    return _KEY.pack(8 + len(key), 1 | _NESTED, 4 + len(key), 1) + key


def flagged(found: bytes, element: Element) -> bytes:
    """Return an element with its flags."""
    # NFTA_SET_ELEM_FLAGS: NFT_SET_ELEM_INTERVAL_END
    return found + attribute(3, _FLAGS.pack(1)) if element.isEnd else found


def encodeElement(element: Element) -> bytes:
    """Return an element with all that it has."""
    found = flagged(encodeKey(element.key), element)
    if element.chain:
        verdict = attribute(1, _JUMP) + text(2, element.chain)  # NFTA_VERDICT_CODE, ..._CHAIN
        # NFTA_SET_ELEM_DATA { NFTA_DATA_VERDICT }
        found += attribute(2 | _NESTED, attribute(2 | _NESTED, verdict))
    if element.timeout:
        found += attribute(4, _MILLISECONDS.pack(element.timeout))
    if element.expires:
        found += attribute(5, _MILLISECONDS.pack(element.expires))
    if element.comment:
        comment = element.comment.encode("ascii") + b"\0"
        # libnftnl's NFTNL_UDATA_SET_ELEM_COMMENT: type, length, value
        found += attribute(6, bytes([0, len(comment)]) + comment)  # NFTA_SET_ELEM_USERDATA
    return found
