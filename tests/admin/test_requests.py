"""Tests of requests that are refused: L{pkdoors.admin._requests}."""

import json

from pkdoors.admin.channel import MAX_BODY
from tests.admin.case import ANN, AdminTestCase, encode


class RefusalTests(AdminTestCase):
    """Tests of requests that are refused before the daemon is asked."""

    def test_path(self) -> None:
        """Unknown paths are refused."""
        paths = "/status, /openings, /reload, /events, /rates, /metrics"
        for path in (
            "/",
            "/x",
            "/status/x",
            "/openings/",
            "/openings/a/b",
            "/openings/a/",
            "/events/x/y",
            "//",
        ):
            self.assertEqual(
                (404, f"there is no {path!r}: the paths are {paths}"), self.refused("GET", path)
            )
        self.assertEqual(404, self.refused("GET", "/" + 3000 * "x")[0])

    def test_method(self) -> None:
        """Methods that a path does not have are refused, with the methods that it has."""
        for method, path, allowed in (
            ("POST", "/status", "GET"),
            ("PUT", "/openings", "GET, POST, DELETE"),
            ("GET", f"/openings/{ANN}", "DELETE"),
            ("GET", "/reload", "POST"),
            ("POST", "/metrics", "GET"),
            ("DELETE", "/events", "GET"),
            ("POST", "/rates", "GET"),
            ("FROB", "/events", "GET"),
        ):
            sentence = f"{method} is not allowed here: use {allowed.replace(', ', ' or ')}"
            self.assertEqual((405, sentence), self.refused(method, path))
            self.assertIn(f"allow: {allowed}".lower(), self.raw(method, path)[0].lower())

    def test_head(self) -> None:
        """HEAD is refused everywhere: for events it would never end."""
        for path in ("/status", "/events", "/rates", "/metrics"):
            self.assertIn(" 405 ", self.raw("HEAD", path)[0])
        self.assertEqual(0, self.operations.followers)

    def test_arguments(self) -> None:
        """Arguments that are unknown, given twice, or empty are refused."""
        for path, sentence in (
            (
                "/openings?seconds=1",
                "unknown argument 'seconds': allowed are door, source, within, after, limit",
            ),
            ("/status?limit=many", "limit: 'many' is not a number from 0 to 999999"),
            ("/status?limit=-1", "limit: '-1' is not a number from 0 to 999999"),
            ("/openings?door=a&door=a", "an argument is given twice: give each once"),
            ("/openings?door=", "door: '' is not a string, or is empty"),
            ("/openings?source", "source: '' is not a string, or is empty"),
        ):
            self.assertEqual((400, sentence), self.refused("GET", path))
        path = f"/openings/{ANN}?source=10.0.0.1"
        self.assertEqual(
            (400, "an argument is given twice: give each once"), self.refused("DELETE", path)
        )

    def test_address(self) -> None:
        """An address in the path that consists of slashes does not mean all addresses."""
        for path in ("/openings/%2F", "/openings/%2F%2f"):
            self.operations.asked.clear()
            self.ask("DELETE", path)
            self.assertNotIn(("close", "", ""), self.operations.asked)

    def test_network(self) -> None:
        """A network's slash may stand in the path as it is, or quoted."""
        for path in ("/openings/10.0.0.0/16", "/openings/10.0.0.0%2F16"):
            self.operations.asked.clear()
            self.ask("DELETE", path)
            self.assertEqual([("close", "", "10.0.0.0/16")], self.operations.asked)

    def test_body(self) -> None:
        """Bodies that are not JSON, are not an object, or lack the address are refused."""
        for body, sentence in (
            (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
            (b"{", "the body is not JSON: "),
            (b"\xff\xfe\xfd", "the body is not JSON: "),
            (b"[" * 4000, "the body is not JSON: "),
            (b"[]", 'the body is not an object: send {"source": "192.0.2.7", "door": "ssh"}'),
            (b"null", "the body is not an object: "),
            (b"{}", '"source" is missing: give the address to open for'),
            (b'{"source": "a", "x": 1}', "unknown argument 'x': allowed are door, source, sec"),
            (b'{"source": 7}', "source: 7 is not a string, or is empty"),
            (b'{"source": ["a"]}', "source: ['a'] is not a string, or is empty"),
            (b'{"source": "a", "door": null}', "door: None is not a string, or is empty"),
            (b'{"source": "a", "door": ""}', "door: '' is not a string, or is empty"),
        ):
            status, error = self.refused("POST", "/openings", body)
            self.assertEqual(400, status)
            self.assertTrue(error.startswith(sentence), error)
            self.assertLess(len(error), 300)

    def test_unreadBody(self) -> None:
        """A body that is not read is refused: without it the request might close all."""
        for method, path in (
            ("DELETE", "/openings"),
            ("DELETE", "/openings?door=ssh"),
            ("DELETE", f"/openings/{ANN}"),
            ("POST", "/reload"),
            ("GET", "/openings"),
            ("GET", "/status"),
            ("GET", "/events"),
            ("GET", "/metrics"),
        ):
            sentence = f"{method} takes no body here: use the path, or arguments after a '?'"
            for body in (encode({"source": ANN}), b" "):
                self.assertEqual((400, sentence), self.refused(method, path, body))
        self.assertEqual(0, self.operations.followers)

    def test_noHTTP(self) -> None:
        """Bytes that are not HTTP are refused with a sentence, too, and the connection ends."""
        post = b"POST /openings HTTP/1.1\r\nHost: pkdoors\r\n"
        for data in (
            b"x\r\n\r\n",
            b"GET /status FTP/1.0\r\n\r\n",
            b"GET /" + 20_000 * b"x" + b" HTTP/1.1\r\n\r\n",
            b"GET /status HTTP/1.1\r\nno header\r\n\r\n",
            b"GET /status HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(502)) + b"\r\n",
            post + b"Content-Length: many\r\n\r\n{}",
            post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            post + b"Transfer-Encoding: gzip\r\n\r\n",
            post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            channel, transport = self.connect()
            channel.dataReceived(data)
            head, _, body = transport.value().decode().partition("\r\n\r\n")
            self.assertTrue(head.startswith("HTTP/1.1 400 Bad Request\r\n"), data[:80])
            self.assertIn("Content-Type: application/json\r\n", head)
            self.assertIn(f"Content-Length: {len(body)}\r\n", head)
            self.assertIn("this is not HTTP, or its head is too long", json.loads(body)["error"])
            self.assertTrue(transport.disconnecting)
        self.assertEqual([], self.operations.asked)

    def test_seconds(self) -> None:
        """Seconds that are not a number, or are too many, are refused."""
        for text in (*"0 -1 0.5 NaN Infinity 1e999 2592001 true null [] {}".split(), '"60"'):
            body = f'{{"source": "{ANN}", "seconds": {text}}}'.encode()
            status, error = self.refused("POST", "/openings", body)
            self.assertEqual(400, status)
            self.assertTrue(error.endswith("is not a number of seconds, from 1 to 30d"), error)
        many = f'{{"source": "{ANN}", "seconds": {"9" * 3000}}}'.encode()
        self.assertLess(len(self.refused("POST", "/openings", many)[1]), 300)
        given = f'{{"source": "{ANN}", "seconds": "60"}}'.encode()
        self.assertEqual(400, self.refused("POST", "/openings?seconds=60", given)[0])

    def test_tooLong(self) -> None:
        """Bodies that are too long are refused."""
        body = encode({"source": ANN, "door": "x" * MAX_BODY})
        self.assertEqual(
            (413, f"the body is too long: {MAX_BODY} bytes are allowed"),
            self.refused("POST", "/openings", body),
        )

    def test_oneLine(self) -> None:
        """No refusal has a line break or a control sequence, whatever the request has."""
        for path in ("/%0a%1b[2J", "/status?%0a%1b=1"):
            _, error = self.refused("GET", path)
            self.assertTrue(error.isprintable(), error)


class DuplicateTests(AdminTestCase):
    """Tests of arguments that are given twice."""

    def test_twice(self) -> None:
        """They are refused wherever they are: the client might mean either."""
        sentence = "an argument is given twice: give each once"
        for path, body in (
            ("/openings", b'{"source": "192.0.2.7", "source": "192.0.2.8"}'),
            ("/openings", b'{"source": "192.0.2.7", "door": "ssh", "door": "ssh"}'),
            ("/openings?door=web", b'{"source": "192.0.2.7", "door": "ssh"}'),
            ("/openings?source=192.0.2.8", b'{"source": "192.0.2.7"}'),
        ):
            self.assertEqual((400, sentence), self.refused("POST", path, body))
