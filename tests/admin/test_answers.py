"""Tests of what a request has the daemon do: L{pkdoors.admin._resources}."""

import json

from twisted.internet.defer import Deferred

from pkdoors.errors import BadValue, ConfigError, FirewallError, ListenError, NotFound
from tests.admin.case import ANN, AdminTestCase, encode, goAway


class AnswerTests(AdminTestCase):
    """Tests of what a request has the daemon do."""

    def test_asked(self) -> None:
        """Each path and method is one operation, with the arguments of the request."""
        both = f"door=ssh&source={ANN}"
        body = {"source": ANN, "door": "ssh", "seconds": 600}
        for method, path, given, asked in (
            ("GET", "/status", None, ("status",)),
            ("GET", "/status?limit=50", None, ("status", ("limit", 50))),
            ("GET", "/openings", None, ("openings",)),
            ("GET", f"/openings?{both}", None, ("openings", ("door", "ssh"), ("source", ANN))),
            (
                "GET",
                "/openings?within=10.0.0.0/8&limit=0&after=31.5:7",
                None,
                ("openings", ("within", "10.0.0.0/8"), ("limit", 0), ("after", "31.5:7")),
            ),
            ("DELETE", "/openings?limit=20", None, ("close", "", "", 20)),
            ("POST", "/openings", {"source": ANN}, ("open", ANN, "", 0.0)),
            ("POST", "/openings", body, ("open", ANN, "ssh", 600.0)),
            ("POST", "/openings?door=ssh", {"source": ANN}, ("open", ANN, "ssh", 0.0)),
            ("DELETE", "/openings", None, ("close", "", "")),
            ("DELETE", "/openings?door=ssh", None, ("close", "ssh", "")),
            ("DELETE", f"/openings/{ANN}", None, ("close", "", ANN)),
            ("DELETE", f"/openings/{ANN}?door=ssh", None, ("close", "ssh", ANN)),
            ("DELETE", "/openings/2001:db8::7", None, ("close", "", "2001:db8::7")),
            ("DELETE", "/openings/2001%3Adb8%3A%3A7", None, ("close", "", "2001:db8::7")),
            ("DELETE", "/openings/fe80::1%25eth0", None, ("close", "", "fe80::1%eth0")),
            ("GET", "/rates", None, ("rates",)),
            ("POST", "/reload", None, ("reload",)),
            ("POST", "/reload", b"", ("reload",)),
        ):
            self.assertEqual(
                (200, {"asked": json.loads(json.dumps(asked))}), self.ask(method, path, given)
            )
            self.assertEqual([asked], self.operations.asked)
            self.operations.asked.clear()

    def test_statuses(self) -> None:
        """A refusal of the daemon has the status of its kind, and the unchanged sentence."""
        for path, error, status in (
            ("/openings", BadValue("bad"), 400),
            ("/openings", NotFound("away"), 404),
            ("/openings", FirewallError("no"), 503),
            ("/openings", ConfigError("wrong"), 409),
            ("/reload", ConfigError("wrong"), 409),
            ("/reload", BadValue("bad"), 409),
            ("/reload", FirewallError("no"), 409),
            ("/reload", ListenError("taken"), 409),
        ):
            self.operations.error = error
            body = {"source": ANN} if path == "/openings" else None
            self.assertEqual((status, {"error": str(error)}), self.ask("POST", path, body))

    def test_unexpected(self) -> None:
        """A fault of ours is answered, too; its details are in the log only."""
        self.operations.error = ValueError("a secret")
        self.assertEqual(
            (500, {"error": "internal error: see the daemon's log"}),
            self.ask("GET", "/status"),
        )
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_later(self) -> None:
        """An answer may come later."""
        self.operations.waiting = Deferred()
        transport = self.send("POST", "/openings", encode({"source": ANN}))
        self.assertEqual(b"", transport.value())
        self.operations.waiting.callback(None)
        self.turn()
        self.assertIn(b"200 OK", transport.value())

    def test_metrics(self) -> None:
        """The metrics have the format that Prometheus reads."""
        head, content = self.raw("GET", "/metrics")
        self.assertIn("content-type: text/plain; version=0.0.4", head.lower())
        self.assertIn('pkdoors_events_total{event="opened"} 0.0\n', content)

    def test_goneMeanwhile(self) -> None:
        """A client that does not wait for the answer does no harm, and gets its work done."""
        self.operations.waiting = Deferred()
        channel, transport = self.connect()
        body = encode({"source": ANN})
        head = f"POST /openings HTTP/1.1\r\nHost: pkdoors\r\nContent-Length: {len(body)}\r\n\r\n"
        channel.dataReceived(head.encode() + body)
        goAway(channel)
        self.operations.waiting.callback(None)
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)
        self.assertEqual((b"", []), (transport.value(), self.log.lines()))

    def test_quiet(self) -> None:
        """Requests and refusals are not logged."""
        self.ask("GET", "/status")
        self.ask("GET", "/nothing")
        self.assertEqual([], self.log.lines())
