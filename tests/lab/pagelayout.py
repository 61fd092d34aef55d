"""Whether the parts of a page are where they can be seen."""

from tests.lab.browser import Browser

_STRAYS = """
const width = document.documentElement.clientWidth;
const scrolls = (element) => getComputedStyle(element).overflowX !== "visible";
const unseen = ".skip, .unseen, [hidden] *";
const isInScroll = (element) => {
    for (let above = element.parentElement; above !== document.body; above = above.parentElement) {
        if (!above || scrolls(above)) {
            return true;
        }
    }
    return false;
};
const strays = [];
for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const isOutside = box.width > 0 && (box.right > width + 1 || box.left < -1);
    if (isOutside && !element.matches(unseen) && !isInScroll(element)) {
        const text = element.outerHTML.slice(0, 200).toWellFormed();
        strays.push(`${box.left} to ${box.right}: ${text}`);
    }
}
if (document.documentElement.scrollWidth > width) {
    strays.push(`the page is ${document.documentElement.scrollWidth} wide`);
}
return strays;
"""


def listStrays(browser: Browser) -> list[str]:
    """Return the elements that are partly left or right of the window, and are not in a part that
    scrolls by itself."""
    found: list[str] = browser.run(_STRAYS)
    return found
