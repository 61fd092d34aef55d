"""
Pages with recorded terminals: their commands are run, and the output is what the pages show. Pure.

::

    <!-- run: server echo this is not shown -->

    <!-- recorded: client -->
    ```console
    $ pkdoors knock home
    what it printed
    ```

A line of a recorded block that begins with C{$ } or C{# } is a command; the next ones are its
output. With C{until "TEXT"} behind the host, the command goes on running, and the output ends with
the line that has the text.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

SEQUENCE = "17001, 17203, 17005, 17404, 17002, 17108, 17301, 17009"

_CHANGING = (
    # What is different each time -> what the page shows.
    (r"\b\d{4,5}(, \d{4,5}){4,}", SEQUENCE),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d{4}", "2026-12-01T09:30:00+0000"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-12-01 09:40:00"),
    (r"SHA256:[A-Za-z0-9+/]{8,}", "SHA256:Zk3uT1WmvVw0S5o0cGzDq1nYJm1p0bX8rRkLh2f7aQ4"),
    (r"\b[0-9a-f]{16}\.seen", "8b1c2d3e4f506172.seen"),
    (r"\bpkdoors \d+\.\d+\.\d+(\.dev\d+)?", "pkdoors 26.12.0"),
    (r"\bup (\d+[dhms])+", "up 20s"),
    (r"\b(10m|[1-9]m(\d+s)?) {2,}(?=\S)", "9m58s      "),
    (r"\b(\d+s)?(\d+ms)? after the knock", "10ms after the knock"),
    (r"\(process \d+\)", "(process 4711)"),
)

_STEP = re.compile(
    r"^<!-- (?:run: (?P<silent>\w+) (?P<command>.+)"
    r'|recorded: (?P<host>\w+)(?: until "(?P<until>[^"]+)")?) -->\n'
    r"(?P<block>(?(host)```console\n(?P<lines>(?:.*\n)*?)```\n))",
    re.MULTILINE,
)

_TWISTED = re.compile(r"^.*\[pkdoors#info\].*\n", re.MULTILINE)


class Step(NamedTuple):
    """
    A command of a page.

    @ivar host: where it runs.
    @ivar until: the text that ends the output; empty for a command that ends by itself.
    @ivar mustSucceed: whether it only prepares what the page shows.
    """

    host: str
    command: str
    until: str = ""
    mustSucceed: bool = False


def freeze(output: str) -> str:
    """Return an output with one value in place of what is different each time."""
    output = _TWISTED.sub("", output)
    for pattern, shown in _CHANGING:
        output = re.sub(pattern, shown, output)
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


def record(page: str, run: Callable[[Step], str]) -> str:
    """
    Return a page with the output that its commands have now.

    @param run: runs a command, and returns its output.
    """

    def replace(match: re.Match[str]) -> str:
        if match["silent"]:
            run(Step(match["silent"], match["command"], mustSucceed=True))
            return match[0]
        head = match[0].partition("```console\n")[0]
        shown = ""
        for line in match["lines"].splitlines():
            if line[:2] in ("$ ", "# "):
                shown += (
                    f"{line}\n{freeze(run(Step(match['host'], line[2:], match['until'] or '')))}"
                )
        return f"{head}```console\n{shown}```\n"

    return _STEP.sub(replace, page)
