"""C{pkdoors web} on a host, and what curl sends to it."""

import json
import re
from typing import Any, NamedTuple

from tests.lab.hosts import BIN, Host, Process, eventually

PKDOORS = str(BIN / "pkdoors")
_LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#(\S+)\n")


class Answer(NamedTuple):
    """
    An answer.

    @ivar status: of HTTP; 0 if there is none.
    @ivar head: the whole head.
    @ivar text: the content.
    """

    status: int
    head: str
    text: str

    def json(self) -> Any:
        """Return the content."""
        return json.loads(self.text)

    def error(self) -> str:
        """Return the sentence of a refusal."""
        sentence: str = self.json()["error"]
        return sentence


class WebClient:
    """
    A page's server, and a program that asks it as the page does.

    @param host: on which it runs.
    @param options: of C{pkdoors web}.
    @param before: words before its command line.
    @ivar process: the server.
    """

    def __init__(self, host: Host, *options: str, before: tuple[str, ...] = ()) -> None:
        self.host = host
        self.process: Process = host.spawn(*before, PKDOORS, "web", *options)
        self.headers: tuple[str, ...] = ()

    def waitForLink(self) -> bool:
        """Wait for the first link, of two for the same token; return whether there is one."""
        return self.process.says("http://127.0.0.1:") and bool(eventually(lambda: self.links))

    @property
    def links(self) -> list[tuple[str, str]]:
        """Return the port and the token of each link so far."""
        return _LINK.findall(self.process.log())

    @property
    def port(self) -> int:
        """Return the port."""
        return int(self.links[0][0])

    @property
    def origin(self) -> str:
        """Return the page's origin."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> "WebClient":
        """Swap the first link for a session."""
        if not self.waitForLink():
            raise AssertionError(f"there is no link: {self.process.log()}")
        answer = self.handIn(self.links[0][1])
        if answer.status != 200:
            raise AssertionError(answer)
        self.headers = self.readSession(answer)
        return self

    def handIn(self, token: str, *options: str, before: tuple[str, ...] = ()) -> Answer:
        """Hand in a token."""
        more = ("-H", f"Origin: {self.origin}", "-d", token, *options)
        return self.curl("/session", *more, before=before)

    def readSession(self, answer: Answer) -> tuple[str, ...]:
        """Return the headers of the requests of a session that an answer begins."""
        found = re.search(r"(?i)\r?\nset-cookie: ([^;]+);", answer.head)
        assert found is not None
        return f"Cookie: {found[1]}", f"Pkdoors-Key: {answer.json()['key']}"

    def ask(self, path: str, *options: str, method: str = "GET", body: Any = None) -> Answer:
        """Send a request of the page's session."""
        words = [*options, "-X", method, "-H", f"Origin: {self.origin}"]
        for header in self.headers:
            words += ["-H", header]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return self.curl(f"/api/{path}", *words)

    def curl(self, path: str, *options: str, before: tuple[str, ...] = ()) -> Answer:
        """Send a request."""
        limit = () if "-m" in options else ("-m", "60")
        command = (*before, "curl", "-sS", "-i", *limit, *options, self.origin + path)
        _, output = self.host.status(*command)
        head, _, text = output.partition("\n\n")
        found = re.match(r"HTTP/1\.1 (\d+)", head)
        return Answer(int(found[1]) if found else 0, head, text)

    def follow(self) -> Process:
        """Follow the events with a curl of its own."""
        words = [word for header in self.headers for word in ("-H", header)]
        following = self.host.spawn("curl", "-sSN", *words, f"{self.origin}/api/events")
        if not following.says(":"):
            raise AssertionError(following.log())
        return following

    def memory(self) -> int:
        """Return the kibibytes that the server has in memory."""
        status = self.host.run("cat", f"/proc/{self.process.popen.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1])

    def comesToAnswer(self, path: str, status: int) -> bool:
        """Wait until a path is answered with this status; return whether it was."""
        return bool(eventually(lambda: self.ask(path).status == status))
