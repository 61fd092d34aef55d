"""Rows of ports that try many orders at once, as somebody would send them who guesses."""

from collections.abc import Iterator, Sequence
from itertools import permutations


def rotations(ports: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield each order that begins with the first port, followed by its beginning once more."""
    first, *rest = ports
    for order in permutations(rest):
        yield (first, *order, first, *order[:-1])


def superpermutation(ports: Sequence[int]) -> tuple[int, ...]:
    """Return a row that contains every order of the ports, overlapping: 873 long for six."""
    if len(ports) == 1:
        return tuple(ports)
    row: list[int] = []
    shorter = superpermutation(ports[:-1])
    size = len(ports) - 1
    orders = [shorter[at : at + size] for at in range(len(shorter) - size + 1)]
    for order in dict.fromkeys(order for order in orders if len(set(order)) == size):
        piece = (*order, ports[-1], *order)
        overlap = next(n for n in range(size, -1, -1) if tuple(row[len(row) - n :]) == piece[:n])
        row += piece[overlap:]
    return tuple(row)
