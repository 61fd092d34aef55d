"""Tests of L{pkdoors.commands.service.metrics}, and of the alert rules in the manual."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin._metrics import formatMetrics
from pkdoors.adminclient.client import AdminClient
from pkdoors.cli import main
from pkdoors.commands.service.metrics import DOWN
from pkdoors.doorkeeper.openings.state import Count, Snapshot
from pkdoors.errors import AskError, NoDaemon
from pkdoors.events.counters import Counters
from tests import ROOT
from tests.fakes.doors import makeDoor
from tests.fakes.refusals import refusal

TEXT = "# TYPE pkdoors_up gauge\npkdoors_up 1.0\n"


class MetricsTests(SynchronousTestCase):
    """C{pkdoors metrics}, with a daemon that is a fake."""

    def setUp(self) -> None:
        """Have a daemon."""
        self.error: Exception | None = None
        self.patch(AdminClient, "metrics", self.answer)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = self.folder / "pkdoors.prom"

    def answer(self) -> str:
        """Answer a client."""
        if self.error:
            raise self.error
        return TEXT

    def run_(self, *arguments: str) -> None:
        """Run the command."""
        main(["metrics", "--admin", "/x", *arguments], {})

    def test_file(self) -> None:
        """It writes the file in one step, and everybody can read it."""
        self.file.write_text("before\n")
        reader = self.file.open()
        self.addCleanup(reader.close)
        self.run_("--output", str(self.file))
        self.assertEqual((TEXT, "before\n"), (self.file.read_text(), reader.read()))
        self.assertEqual(0o644, self.file.stat().st_mode & 0o7777)
        self.assertEqual([self.file], list(self.folder.iterdir()))

    def test_noDaemon(self) -> None:
        """Without a daemon the status is 3, and the file says that it is down."""
        self.error = NoDaemon("the daemon is not running")
        refusal(self, 3, self.run_)
        refusal(self, 3, self.run_, "-o", str(self.file))
        self.assertEqual(DOWN, self.file.read_text())
        (family,) = text_string_to_metric_families(DOWN)
        self.assertEqual([0.0], [sample.value for sample in family.samples])

    def test_refused(self) -> None:
        """If the daemon refuses, the file stays as it was."""
        self.error = AskError("permission denied")
        refusal(self, 1, self.run_, "-o", str(self.file))
        self.assertFalse(self.file.exists())

    def test_cannotWrite(self) -> None:
        """A file that cannot be written is one line."""
        line = refusal(self, 1, self.run_, "-o", "/nowhere/x.prom")
        self.assertEqual(
            "pkdoors metrics: cannot write /nowhere/x.prom: No such file or directory", line
        )


class SeriesTests(SynchronousTestCase):
    """What the manual says about the series."""

    def setUp(self) -> None:
        """Make the metrics of a daemon that has just started."""
        door = makeDoor(name="ssh")
        state = Snapshot(0.0, 0.0, (door,), {"ssh": Count(0, 0, 0)}, {})
        text = formatMetrics(state, Counters()).decode()
        self.families = {each.name: each for each in text_string_to_metric_families(text)}
        self.samples = {
            sample.name for each in self.families.values() for sample in each.samples
        } | {f"{name}_total" for name, each in self.families.items() if each.type == "counter"}

    def test_down(self) -> None:
        """The file without a daemon describes its series as the daemon does."""
        (family,) = text_string_to_metric_families(DOWN)
        ours = self.families["pkdoors_up"]
        self.assertEqual((ours.documentation, ours.type), (family.documentation, family.type))

    def test_listed(self) -> None:
        """The manual lists all of them."""
        text = (ROOT / "docs/admin.md").read_text().partition("## GET /metrics")[2]
        named = set(re.findall(r"`(pkdoors_\w+)", text))
        found = set(self.families) | {f"{name}_total" for name in self.families}
        self.assertEqual(set(), named - found)
        missing = {name for name in self.families if not {name, f"{name}_total"} & named}
        self.assertEqual(set(), missing)

    def test_alerts(self) -> None:
        """The rules for alerts use series that exist, with values of labels that exist."""
        text = (ROOT / "docs/pkdoors-alerts.yml").read_text()
        expressions = re.findall(r"expr: (.*)", text)
        self.assertEqual(7, len(expressions))
        used = {name for line in expressions for name in re.findall(r"\b(pkdoors_\w+)", line)}
        self.assertEqual(set(), used - self.samples - set(self.families))
        events = {sample.labels["event"] for sample in self.families["pkdoors_events"].samples}
        self.assertIn("guessing", events)
        results = {sample.labels["result"] for sample in self.families["pkdoors_hooks"].samples}
        self.assertEqual({"ok", "failed", "left-out"}, results)
