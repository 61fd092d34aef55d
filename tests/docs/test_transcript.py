"""What is recorded, without any terminal."""

from rich.text import Text
from twisted.trial.unittest import SynchronousTestCase

from tests.lab.picture import draw, readPicture
from tests.lab.transcript import SEQUENCE, Step, freeze, record

PAGE = """\
# A page

<!-- run: server mkdir x -->

<!-- recorded: client -->
```console
$ first --option
what it said before
# second
```

<!-- recorded: server until "ready to go" -->
```console
# third
```

```console
$ not this one
```
"""


class RecordTests(SynchronousTestCase):
    """
    Pages.
    """

    def test_commands(self) -> None:
        """Each command is run once, in order, and its output stands below it."""
        steps: list[Step] = []

        def run(step: Step) -> str:
            steps.append(step)
            return f"output {len(steps)}\n"

        page = record(PAGE, run)
        wanted = [Step("server", "mkdir x", mustSucceed=True), Step("client", "first --option")]
        wanted += [Step("client", "second"), Step("server", "third", "ready to go")]
        self.assertEqual(wanted, steps)
        self.assertIn("```console\n$ first --option\noutput 2\n# second\noutput 3\n```\n", page)
        self.assertIn('until "ready to go" -->\n```console\n# third\noutput 4\n```\n', page)
        self.assertNotIn("output 1", page)
        self.assertIn("```console\n$ not this one\n```", page)

    def test_again(self) -> None:
        """A page that was recorded is the same when it is recorded again."""

        def run(step: Step) -> str:
            return f"it did {step.command}\n\nand more"

        page = record(PAGE, run)
        self.assertEqual(page, record(page, run))

    def test_freeze(self) -> None:
        """What is different each time becomes one value, which stays the same."""
        output = (
            "2026-11-28T15:00:47+0000 [pkdoors#info] begins\n"
            "2026-11-28T15:00:47+0000 [pkdoors] sequence = [19760, 29506, 19149, 15495, 20631]  \n"
            "pkdoors 26.11.0.dev0, up 1m3s, SHA256:aaaabbbbcccc\n"
            "ssh   192.0.2.7  9m41s      anna@laptop\n"
        )
        frozen = freeze(output)
        self.assertEqual(
            f"2026-12-01T09:30:00+0000 [pkdoors] sequence = [{SEQUENCE}]\n"
            "pkdoors 26.12.0, up 20s, SHA256:Zk3uT1WmvVw0S5o0cGzDq1nYJm1p0bX8rRkLh2f7aQ4\n"
            "ssh   192.0.2.7  9m58s      anna@laptop\n",
            frozen,
        )
        self.assertEqual(frozen, freeze(frozen))


class PictureTests(SynchronousTestCase):
    """
    Pictures.
    """

    def test_draw(self) -> None:
        """A picture has the text, in colour, and loads nothing from elsewhere."""
        picture = draw([Text("one"), Text(), Text("two", "green")], 20, "title")
        self.assertEqual(["one", "two"], readPicture(picture))
        self.assertNotIn('url("', picture)
        self.assertNotIn("https:", picture)
