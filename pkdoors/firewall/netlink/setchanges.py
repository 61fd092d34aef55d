"""Builds messages that change several sets, or sets of ranges. Pure."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from pkdoors.firewall.netlink.messages import (
    ACK,
    CREATE,
    DELETE_ELEMENT,
    EXCLUSIVE,
    NEW_ELEMENT,
    Element,
    batch,
    encodeElement,
    encodeKey,
    flagged,
    listOf,
    message,
    removal,
    splitPortions,
)

Keyed = Mapping[str, Collection[bytes]]
"""Keys of elements, by the names of their sets."""


def changeSets(
    table: str,
    gone: Keyed,
    elements: Mapping[str, Collection[Element]],
    certain: Keyed = MappingProxyType({}),
) -> bytes:
    """
    Return the batch that deletes elements from some sets, and adds elements to some sets or gives
    them new timeouts, all in one transaction; a missing element is not an error.

    @param gone: the keys that go, by the names of the sets.
    @param certain: likewise, but if one of them is missing, the kernel does nothing. They are not
        added first, as L{addElements} does, because packets could find them there.
    """
    messages = [
        message(DELETE_ELEMENT, ACK, listOf(table, name, map(encodeKey, keys)))
        for name, keys in certain.items()
    ]
    messages += [
        removal(table, name, some) for name, keys in gone.items() for some in splitPortions(keys)
    ]
    for name, added in elements.items():
        for portion in splitPortions(added):
            messages.append(removal(table, name, [element.key for element in portion]))
            listed = listOf(table, name, map(encodeElement, portion))
            messages.append(message(NEW_ELEMENT, CREATE | ACK, listed))
    return batch(*messages)


def addNew(table: str, elements: Mapping[str, Collection[Element]]) -> bytes:
    """
    Return the batch that adds elements to some sets, if the sets have none of them: otherwise the
    kernel does nothing. This is the shortest way for a client that waits.
    """
    return batch(
        *(
            message(
                NEW_ELEMENT,
                CREATE | EXCLUSIVE | ACK,
                listOf(table, name, map(encodeElement, portion)),
            )
            for name, added in elements.items()
            for portion in splitPortions(added)
        )
    )


def addElements(table: str, name: str, elements: Iterable[Element]) -> bytes:
    """
    Return the batch that adds elements to a set of the C{inet} family, or gives them new timeouts.
    It is one transaction: a packet finds the element at any time. Each element is deleted first,
    because otherwise kernels before 6.12 keep the old timeout.
    """
    return changeSets(table, {}, {name: [*elements]})


def removeElements(table: str, name: str, keys: Iterable[bytes]) -> bytes:
    """Return the batch that deletes elements; a missing element is not an error."""
    return changeSets(table, {name: [*keys]}, {})


def swapElements(
    table: str, name: str, gone: Iterable[bytes], elements: Iterable[Element]
) -> bytes:
    """
    Return the batch that deletes existing elements and adds new ones in one transaction. The value
    of an element in a map cannot be changed otherwise.
    """
    return changeElements(table, name, map(Element, gone), elements)


def changeElements(
    table: str, name: str, gone: Iterable[Element], elements: Iterable[Element]
) -> bytes:
    """Return the batch that L{swapElements} makes, for elements of any kind of set or map."""
    plain = [flagged(encodeKey(element.key), element) for element in gone]
    added = list(map(encodeElement, elements))
    messages = []
    if plain:
        messages.append(message(DELETE_ELEMENT, ACK, listOf(table, name, plain)))
    if added:
        messages.append(message(NEW_ELEMENT, CREATE | ACK, listOf(table, name, added)))
    return batch(*messages)


def splitRange(element: Element) -> list[Element]:
    """
    Return the two elements by which the kernel knows a range of ports. Its beginning comes first:
    the kernel takes an end without one for the end of another range, and refuses it.

    @param element: its key is the first and the last port, 2 bytes each.
    """
    first, behind = element.key[:2], int.from_bytes(element.key[2:]) + 1
    start = element._replace(key=first)
    if behind > 0xFFFF:
        return [start]
    return [start, Element(behind.to_bytes(2), isEnd=True)]
