"""
C{twistd} with a clock of its own, for tests: SIGUSR1 sets it an hour forward, SIGUSR2 an hour back.

It is the time of day that is set, as an operator or NTP does it. The machine's clock stays.
"""

import signal
import sys
import time

HOUR = 3600.0

_timeOfDay = time.time
_offset = 0.0


def _set(hours: float) -> None:
    global _offset
    _offset += hours * HOUR
    print(f"the clock is {_offset:+.0f} s wrong", flush=True)


if __name__ == "__main__":
    time.time = lambda: _timeOfDay() + _offset  # before Twisted takes it for itself
    signal.signal(signal.SIGUSR1, lambda *_: _set(1))
    signal.signal(signal.SIGUSR2, lambda *_: _set(-1))
    from twisted.scripts.twistd import run

    sys.argv[0] = "twistd"
    run()
