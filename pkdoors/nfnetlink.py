"""
The messages that put an address into a set of the kernel's nftables, or take it out, and that ask
what was counted. Pure.

libnftables can do it, too, but reads the host's whole ruleset before each command, everybody's sets
with all their elements: beside a blocklist of 50,000 networks one opening took it 0.1 s.

Formats and numbers: C{linux/netlink.h}, C{linux/netfilter/nfnetlink.h} and
C{linux/netfilter/nf_tables.h}; host byte order, but for what is said to be in the network's.
"""

import errno
import struct

NETLINK_NETFILTER = 12
MAX_ANSWER = 65_536
"""Bytes of one read: an answer has some hundred at most."""

_ERROR = 2  # NLMSG_ERROR
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400  # NLM_F_...
_BEGIN, _END = 16, 17  # NFNL_MSG_BATCH_...
NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
_NEW, _DELETE = NFTABLES << 8 | 12, NFTABLES << 8 | 14  # NFT_MSG_NEWSETELEM, ...DELSETELEM
_NEW_OBJECT, _GET_OBJECT = NFTABLES << 8 | 18, NFTABLES << 8 | 19  # NFT_MSG_NEWOBJ, ...GETOBJ
INET = 1  # NFPROTO_INET
_NESTED = 0x8000  # NLA_F_NESTED

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_FAMILY = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource (network's order)
ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_KIND = struct.Struct("!I")  # NFTA_OBJ_TYPE (network's order)
_COUNTER = 1  # NFT_OBJECT_COUNTER
_CODE = struct.Struct("=i")  # struct nlmsgerr: a negative errno, or 0
_MILLISECONDS = struct.Struct("!Q")  # NFTA_SET_ELEM_TIMEOUT (network's order)


def adding(table: str, name: str, key: bytes, milliseconds: int, comment: str = "") -> bytes:
    """
    The batch that puts an element into a set of the C{inet} family, or gives it a new timeout. One
    transaction: what looks the element up finds it all the while. Taken out first, because kernels
    before 6.12 keep the old timeout otherwise.

    @param key: the element as in a packet, 4 or 16 bytes for an address.
    @param milliseconds: its timeout, not 0.
    @param comment: what C{nft list} shows beside it, at most 127 bytes of ASCII.
    """
    more = _attribute(4, _MILLISECONDS.pack(milliseconds))
    if comment:
        text = comment.encode("ascii") + b"\0"
        # libnftnl's NFTNL_UDATA_SET_ELEM_COMMENT: type, length, value
        more += _attribute(6, bytes([0, len(text)]) + text)  # NFTA_SET_ELEM_USERDATA
    timed = _elements(table, name, key, more)
    return _batch(_removal(table, name, key) + _message(_NEW, _CREATE | _ACK, INET, timed))


def removing(table: str, name: str, key: bytes) -> bytes:
    """The batch that takes an element out; that it is not there is no error."""
    return _batch(_removal(table, name, key))


def asking(table: str, counter: str) -> bytes:
    """The message that asks for a named counter of the C{inet} family."""
    body = (
        _attribute(1, table.encode() + b"\0")  # NFTA_OBJ_TABLE
        + _attribute(2, counter.encode() + b"\0")  # NFTA_OBJ_NAME
        + _attribute(3, _KIND.pack(_COUNTER))  # NFTA_OBJ_TYPE
    )
    return _message(_GET_OBJECT, 0, INET, body)


def countOf(answer: bytes) -> int:
    """
    The packets that a counter has counted, by the kernel's answer; 0 where there is no such one.
    Nothing is raised, whatever the answer.
    """
    while len(answer) >= _HEADER.size + _FAMILY.size:
        length, kind, *_ = _HEADER.unpack_from(answer)
        length = max(length, _HEADER.size)
        if kind == _NEW_OBJECT:
            data = attributesOf(answer[_HEADER.size + _FAMILY.size : length])
            counted = attributesOf(data.get(4, b""))  # NFTA_OBJ_DATA
            return int.from_bytes(counted.get(2, b""))  # NFTA_COUNTER_PACKETS (network's order)
        answer = answer[length + 3 & ~3 :]
    return 0


def attributesOf(body: bytes) -> dict[int, bytes]:
    """The attributes of a message, or of one of them, without those inside of them."""
    found: dict[int, bytes] = {}
    while len(body) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(body)
        length = max(length, ATTRIBUTE.size)
        found.setdefault(kind & 0x3FFF, body[ATTRIBUTE.size : length])
        body = body[length + 3 & ~3 :]
    return found


def errorOf(answer: bytes) -> int:
    """The first errno among the kernel's answers to a batch; 0 for success."""
    codes = []
    while len(answer) >= _HEADER.size + _CODE.size:
        length, kind, *_ = _HEADER.unpack_from(answer)
        if kind == _ERROR:  # also what says that all went well
            codes.append(-_CODE.unpack_from(answer, _HEADER.size)[0])
        answer = answer[max(length + 3 & ~3, _HEADER.size) :]
    return next(filter(None, codes), 0) if codes else errno.EPROTO


def _removal(table: str, name: str, key: bytes) -> bytes:
    # Added first: taking out what is not there would be an error, and undo the whole batch.
    plain = _elements(table, name, key)
    return _message(_NEW, _CREATE, INET, plain) + _message(_DELETE, _ACK, INET, plain)


def _batch(messages: bytes) -> bytes:
    begin, end = (_message(kind, 0, 0, b"", NFTABLES) for kind in (_BEGIN, _END))
    return begin + messages + end


def _message(kind: int, flags: int, family: int, body: bytes, resource: int = 0) -> bytes:
    body = _FAMILY.pack(family, 0, resource) + body
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 0, 0) + body


def _elements(table: str, name: str, key: bytes, more: bytes = b"") -> bytes:
    element = _attribute(1 | _NESTED, _attribute(1, key)) + more  # ..._KEY { NFTA_DATA_VALUE }
    listed = _attribute(1 | _NESTED, element)  # NFTA_LIST_ELEM
    return (
        _attribute(1, table.encode() + b"\0")  # NFTA_SET_ELEM_LIST_TABLE
        + _attribute(2, name.encode() + b"\0")  # ..._SET
        + _attribute(3 | _NESTED, listed)  # ..._ELEMENTS
    )


def _attribute(kind: int, body: bytes) -> bytes:
    padding = bytes(-len(body) % 4)
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(body), kind) + body + padding
