"""Tests of L{pkdoors.client.core.trace}."""

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.actions import Abandon, Connect, Listen, Say, Seal, Send
from pkdoors.client.core.agentwire import makeListRequest, makeSignRequest
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import (
    Answered,
    Asked,
    Connected,
    Disconnected,
    Failed,
    Found,
    Greeted,
    Planned,
    Sealing,
    Traced,
)
from pkdoors.client.core.methods import PlainMethod
from pkdoors.client.core.plan import Plan, planPlain, planSealed
from pkdoors.client.core.trace import Tracer, describeAttempt
from pkdoors.knocks.wire import fingerprint
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4
from tests.fakes.agent import makeKey
from tests.fakes.doors import PORTS

BLOB = makeKey("ed25519").blob()
KEY = f"ssh-ed25519 {fingerprint(BLOB)}"


class TracerTests(SynchronousTestCase):
    """
    Tests of L{Tracer}.
    """

    def setUp(self) -> None:
        """Make one."""
        self.tracer = Tracer("/home/anna")

    def assertLine(self, line: str, traced: Traced) -> None:
        """Assert what the line about something is."""
        self.assertEqual(line, self.tracer.describe(traced))

    def sends(self, plan: Plan) -> list[str]:
        """Return the lines about all datagrams of a knock."""
        self.tracer.describe(Planned(HOST4, plan))
        return [
            self.tracer.describe(Send(HOST4, port, datagram, place))
            for place, (_, port, datagram) in enumerate(plan.sendings, 1)
        ]

    def test_plain(self) -> None:
        """The ports of a plain knock are numbered, even if one is in the sequence twice."""
        sequence = Sequence((*PORTS[:4], PORTS[0], TcpPort(17)))
        lines = self.sends(planPlain(sequence, b"knock\n", 0.0))
        self.assertEqual(
            f"send datagram 5 of 6: port 5 of 6 of {HOST4}, 6 bytes",
            lines[4],
        )
        self.assertEqual(f"send SYN 6 of 6: port 6 of 6 of {HOST4}", lines[5])

    def test_sealed(self) -> None:
        """Those of a sealed one are the same in each round, and with each key."""
        lines = self.sends(planSealed(Sequence(PORTS), [b"x" * 99, b"y" * 88]))
        self.assertEqual(30, len(lines))
        self.assertEqual(f"send datagram 7 of 30: port 2 of 5 of {HOST4}, 99 bytes", lines[6])
        self.assertEqual(f"send datagram 30 of 30: port 5 of 5 of {HOST4}, 88 bytes", lines[29])

    def test_connections(self) -> None:
        """Tries to connect have numbers."""
        what = f"connection 3, to port 22/tcp of {HOST4}"
        self.assertLine(f"begin {what}", Connect(3, HOST4, 22))
        self.assertLine(f"answered: {what}", Connected(3))
        self.assertLine(f"refused: {what}", Disconnected(3, True))
        self.assertLine(f"failed: {what}", Disconnected(3, False))
        self.assertLine(f"give up {what}", Abandon(3))
        self.assertLine("wait for the server's first bytes on connection 3", Listen(3))

    def test_manyConnections(self) -> None:
        """Of many connections with the same end, the first ones after each knock have lines."""
        plan = planPlain(Sequence(PORTS), b"knock\n", 0.0)

        def connect(first: int, last: int, end: Disconnected | None = None) -> list[str]:
            lines = []
            for number in range(first, last):
                for traced in (Connect(number, HOST4, 22), end or Abandon(number)):
                    lines.append(self.tracer.describe(traced))
            return [line for line in lines if line]

        lines = connect(1, 41)
        self.assertEqual(6, len(lines), lines)
        self.assertTrue(lines[-1].endswith("; until the next knock, only others are shown"), lines)
        (other,) = connect(41, 42, Disconnected(41, True))
        self.assertTrue(other.startswith("refused: connection 41, "), other)
        self.assertEqual(6, len(connect(42, 49)))
        self.tracer.describe(Planned(HOST4, plan))
        self.assertEqual(lines[0].replace("connection 1,", "connection 50,"), connect(50, 51)[0])
        self.tracer.describe(Connect(60, HOST4, 22))
        self.assertLine(f"answered: connection 60, to port 22/tcp of {HOST4}", Connected(60))

    def test_server(self) -> None:
        """What a server says is one short line, and controls no terminal."""
        self.assertLine("the server says: SSH-2.0-x", Greeted(b"SSH-2.0-x\r\n"))
        self.assertLine("the server says nothing", Greeted(b""))
        line = self.tracer.describe(Greeted(b"\x1b]0;x\x07\n\xff" + b"a" * 9999))
        self.assertTrue(line.isprintable(), line)
        self.assertLess(len(line), 200)

    def test_agent(self) -> None:
        """Of an agent: its questions, its keys, whether it signs; no signature."""
        for path, shown in (
            ("/home/anna/.ssh/agent", "~/.ssh/agent"),
            ("/tmp/anna-secret/agent.17", ".../agent.17"),
            ("/agent", "/agent"),
        ):
            ask = Asked(path, makeListRequest())
            self.assertLine(f"ask the SSH agent at {shown} for its keys", ask)
        sign = Asked("/agent", makeSignRequest(BLOB, b"data"))
        self.assertLine("ask the SSH agent at /agent for a signature", sign)
        keys = b"\x0c" + (2).to_bytes(4) + 2 * (NS(BLOB) + NS(b"anna@secret"))
        self.assertLine(f"the agent has 2 keys: {KEY}, {KEY}", Answered(keys))
        self.assertLine("the agent has no keys", Answered(b"\x0c" + bytes(4)))
        signed = Answered(b"\x0e" + NS(b"secret signature data"))
        self.assertLine("the agent signs, 21 bytes", signed)
        self.assertLine("the agent refuses", Answered(b"\x05"))
        self.assertLine("the agent sends something else, 3 bytes", Answered(b"\x63ab"))
        self.assertLine("the agent does not answer: it hung up", Answered(b"", "it hung up"))
        self.assertLine("the agent does not answer: no answer in time", Answered(b""))

    def test_hostileAgent(self) -> None:
        """Whatever an agent answers is one line."""
        for blob in (
            b"",
            b"\0",
            NS(b"ssh-ed25519-cert-v01@openssh.com"),
            NS(b"\x1b\xff"),
            bytes(99),
        ):
            answer = Answered(b"\x0c" + (1).to_bytes(4) + NS(blob) + NS(b""))
            self.assertIn("the agent has 1 key: ", self.tracer.describe(answer))

    def test_longAnswer(self) -> None:
        """However much an agent answers, a line of a report is short."""
        for count, blob in ((200, b""), (1, NS(b"k" * 200_000) + NS(b"")), (200, NS(b"\n" * 900))):
            answer = Answered(b"\x0c" + count.to_bytes(4) + count * (NS(blob) + NS(b"")))
            self.assertLess(len(self.tracer.describe(answer)), 5000)

    def test_others(self) -> None:
        """The rest."""
        self.assertLine(f"h has {HOST4}, ::1", Found("h", (HOST4, "::1")))
        self.assertLine(f"make the knock for {HOST4}", Seal(HOST4))
        self.assertLine(f"cannot knock on {HOST4}: no route", Failed(HOST4, "no route"))
        self.assertLine("", Say("knocking again"))
        text = "pkdoors1 web 0 1 00 11 *"
        self.assertLine(f"seal with {KEY}: {text}", Sealing(BLOB, False, f"{text}\n"))
        line = f"seal with {KEY}, with its certificate: {text}"
        self.assertLine(line, Sealing(BLOB, True, f"{text}\n"))

    def test_planned(self) -> None:
        """How a knock is sent: if its order counts, with the pauses."""
        plain = planPlain(Sequence(PORTS), b"knock\n", 0.0065)
        line = f"the knock for {HOST4} has 5 datagrams, 6ms apart"
        self.assertLine(line, Planned(HOST4, plain))
        sealed = planSealed(Sequence(PORTS), [b"x"])
        self.assertLine(f"the knock for {HOST4} has 15 datagrams", Planned(HOST4, sealed))

    def test_attempt(self) -> None:
        """What is attempted."""
        method = PlainMethod(Sequence(PORTS), 90.0, 0.02)
        self.assertEqual(
            "h: plain knock on 5 ports, asks for 1m30s, IPv4 only, "
            "port 22/tcp, look 100ms, tries 3 of 5s",
            describeAttempt(Attempt("h", method, family=4, port=22, look=0.1)),
        )
