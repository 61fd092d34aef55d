"""The style sheet of the operator's page."""

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.page import PAGE

GROUNDS = ("ground", "panel", "faint")
INKS = ("text", "dim", "accent", "good", "warning", "bad")
LEAST = 4.5
"""The contrast of text; WCAG 2.2, 1.4.3."""
LEAST_OF_MARKS = 3.0
"""The contrast of what is no text; WCAG 2.2, 1.4.11."""


class ContrastTests(SynchronousTestCase):
    """The palettes, light and dark."""

    def setUp(self) -> None:
        """Read them."""
        css = (PAGE / "page.css").read_text("utf-8")
        colour = r"(#[0-9a-f]{6})"
        found = re.findall(rf"--([\w-]+): light-dark\({colour}, {colour}\);", css)
        self.palettes = [{each[0]: each[number] for each in found} for number in (1, 2)]

    def check(self, ink: str, ground: str, least: float = LEAST) -> None:
        """Assert that one colour can be seen on another one."""
        for palette in self.palettes:
            ratio = contrast(palette[ink], palette[ground])
            self.assertGreaterEqual(ratio, least, f"{ink} ({palette[ink]}) on {ground}")

    def test_text(self) -> None:
        """Text can be read on all grounds."""
        for ground in GROUNDS:
            for ink in INKS:
                self.check(ink, ground)
        for tone in ("good", "warning", "bad"):
            self.check("text", f"{tone}-ground")
            self.check("dim", f"{tone}-ground")
        self.check("bad", "bad-ground")
        self.check("on-accent", "accent")

    def test_marks(self) -> None:
        """The lines of the chart, and the edges of fields and buttons, can be seen."""
        for ink in ("heard", "dropped"):
            self.check(ink, "faint", LEAST_OF_MARKS)
        self.check("dim", "panel", LEAST_OF_MARKS)

    def test_known(self) -> None:
        """The formula gives the contrasts that everybody knows."""
        self.assertAlmostEqual(21.0, contrast("#ffffff", "#000000"))
        self.assertAlmostEqual(4.54, contrast("#767676", "#ffffff"), 2)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, C{#rrggbb}; WCAG 2.2, "contrast ratio"."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    """Return the brightness; WCAG 2.2, "relative luminance"."""
    red, green, blue = (_linearize(int(colour[start : start + 2], 16)) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linearize(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
