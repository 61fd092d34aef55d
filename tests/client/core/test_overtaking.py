"""What a host's lock makes of knocks on a path on which one datagram overtakes another."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.actions import Seal, Send
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.methods import PENALTY, PlainMethod
from pkdoors.client.core.plan import RoundTrip
from pkdoors.client.core.visit import Visit
from pkdoors.client.reactor.driver import makeTools
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4
from tests.fakes.agent import AgentReactor
from tests.fakes.doors import PORTS, makeDoor

ME = "192.0.2.99"
NEAR = RoundTrip(0.006, 0.001)
SLOW = 0.008
"""Seconds by which the third datagram of each knock comes too late."""


class OvertakingTests(SynchronousTestCase):
    """
    A door nearby, on a path on which a faster knock is a wrong order.
    """

    def attempt(self, begin: float, **fields: object) -> list[tuple[float, list[Result]]]:
        """
        Let a client wait for a port that never answers.

        @param begin: the time on the host's clock.
        @return: the results of the lock, with the seconds from the beginning.
        """
        tools = makeTools(AgentReactor(), lambda line: None)
        method = PlainMethod(Sequence(PORTS), 0.0)
        given = {"port": 22, "look": 0.0, "timeout": method.patience, **fields}
        attempt = Attempt("h", method, **given).suit([NEAR])  # type: ignore[arg-type]
        locks, visit, now = Lockset([SequenceLock(makeDoor())]), Visit(attempt, [HOST4]), 0.0
        arrivals: list[tuple[float, Knock]] = []
        actions = visit.begin(now)
        while True:
            for action in actions:
                match action:
                    case Seal(address, isFirst):
                        coroutine = attempt.method.plan(address, tools, isFirst)
                        plan = self.successResultOf(Deferred.fromCoroutine(coroutine))
                        actions += visit.sealed(address, plan, now)
                    case Send(_, port, datagram, place):
                        late = SLOW if place == 3 else 0.0
                        arrivals.append((now + late, Knock(ME, port, datagram)))
            if visit.isOver:
                break
            now = visit.nextTime()
            actions = visit.tick(now)
        arrivals.sort(key=lambda arrival: arrival[0])
        return [(at, [*locks.hear(knock, begin + at, 0.0)]) for at, knock in arrivals]

    def test_second(self) -> None:
        """
        The second knock opens the door, whenever the first one was: it is slower, and comes when
        the host no longer ignores the client. Nothing but the first knock is refused.
        """
        for begin in range(0, 1250, 50):
            heard = self.attempt(begin / 1000)
            opened = [at for at, results in heard if any(isinstance(x, Request) for x in results)]
            refused = [at for at, results in heard if any(isinstance(x, Refusal) for x in results)]
            self.assertEqual(2, len(opened), begin)  # nobody answers: there is a third knock
            self.assertLess(opened[0], 7.2)
            self.assertEqual(3, len(refused), begin)
            self.assertLess(refused[-1], 0.1)

    def test_noHurry(self) -> None:
        """If the next knock would come too soon, the first one is not faster, and opens it."""
        for fields in ({"tries": 1}, {"tries": 2, "timeout": PENALTY}):
            heard = self.attempt(0.0, **fields)
            self.assertFalse([r for _, rs in heard for r in rs if isinstance(r, Refusal)])
            self.assertTrue(any(isinstance(r, Request) for _, rs in heard for r in rs))
