"""Many clients that knock, each at its own time, and whose doors open."""

import time
from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop
from ipaddress import IPv4Address

from pkdoors.model.knockports import numberOf
from tests.lab.traffic.lines import Schedule
from tests.lab.traffic.prober import Prober

INTERVAL = 0.00025
"""Seconds between two tries to connect."""


def race(
    prober: Prober, schedules: Mapping[IPv4Address, Schedule], patience: float
) -> set[IPv4Address]:
    """
    Knock from each address on schedule, and try to connect from each that has finished.

    @param patience: seconds after the last datagram in which a door must answer.
    @return: the addresses whose door has opened.
    """
    queue = [
        (when, number, source, port, datagram)
        for source, schedule in schedules.items()
        for number, (when, port, datagram) in enumerate(schedule)
    ]
    heapify(queue)
    left = {source: len(schedule) for source, schedule in schedules.items()}
    knocked: deque[IPv4Address] = deque()  # they take turns
    opened: set[IPv4Address] = set()
    prober.forget()
    began = now = time.perf_counter()
    end = began + patience
    while (queue or knocked) and now < end:
        while queue and began + queue[0][0] <= now:
            _, _, source, port, datagram = heappop(queue)
            prober.send(source, numberOf(port), datagram)
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
