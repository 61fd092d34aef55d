"""Many clients that knock, each at its own time, and whose doors open."""

import time
from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop
from ipaddress import IPv4Address

from bench.badlines import Timed
from bench.prober import Prober

INTERVAL = 0.00025
"""Seconds between one try to connect and the next."""


def race(prober: Prober, plans: Mapping[IPv4Address, Timed], patience: float) -> set[IPv4Address]:
    """
    Knock from each address as it is planned, and try to connect from each that is done.

    @param patience: seconds without an answer after the last datagram until it is given up.
    @return: whose door has opened.
    """
    queue = [
        (when, number, source, port, datagram)
        for source, plan in plans.items()
        for number, (when, port, datagram) in enumerate(plan)
    ]
    heapify(queue)
    left = {source: len(plan) for source, plan in plans.items()}
    knocked: deque[IPv4Address] = deque()  # in turns
    opened: set[IPv4Address] = set()
    prober.forget()
    began = now = time.perf_counter()
    end = began + patience
    while (queue or knocked) and now < end:
        while queue and began + queue[0][0] <= now:
            _, _, source, port, datagram = heappop(queue)
            prober.send(source, port, datagram)
            left[source] -= 1
            if not left[source]:
                knocked.append(source)
            end = time.perf_counter() + patience
        if knocked:
            prober.connect(knocked[0])
            knocked.rotate(-1)
        for source in prober.answers(INTERVAL):
            if source in knocked:
                knocked.remove(source)
                opened.add(source)
        now = time.perf_counter()
    return opened
