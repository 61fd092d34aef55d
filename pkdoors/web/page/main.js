/**
 * Loads the page, and loads it again if a part of it does not arrive. When the network changes, a
 * browser aborts all loading, even from its own computer. So this module imports the others only when
 * it runs, and can catch a failure.
 * @module
 */

/** Milliseconds until the page is loaded again: a network changes for about a second. */
const PAUSE = 1000;
/** How often the page is loaded again in a row, before only the user does so. */
const MOST = 5;
/** The name of that number in the memory of the tab. */
const LOADS = "pkdoors-loads";

const styles = getComputedStyle(document.documentElement);

try {
    if (!styles.getPropertyValue("--ground")) {
        throw new TypeError("no style sheet");
    }
    await import("./start.js");
    countLoads(0);
} catch (error) {
    console.error(error);
    const isMissing = error instanceof TypeError;
    explain(isMissing ? "A part of the page did not arrive." : `The page cannot start: ${error.message}`);
    if (isMissing && countLoads() < MOST) {
        countLoads(countLoads() + 1);
        setTimeout(() => void loadAgain(), PAUSE);
    }
}

/** Show a sentence where the page shows later why it sees nothing. */
function explain(sentence) {
    for (const element of [document.body, document.getElementById("connection")]) {
        element.dataset.state = "blind";
    }
    document.getElementById("connection-text").textContent = "no connection";
    document.getElementById("connection-reason").textContent = sentence;
    for (const part of ["reason", "retry"]) {
        document.getElementById(`connection-${part}`).hidden = false;
    }
    document.getElementById("retry").addEventListener("click", () => location.reload());
}

/** Load the page again, if its server answers: otherwise the browser would show a page of its own. */
async function loadAgain() {
    try {
        await fetch("main.js", { cache: "no-store" });
    } catch {
        setTimeout(() => void loadAgain(), PAUSE);
        return;
    }
    location.reload();
}

/**
 * Note how often the page was loaded again in a row.
 * @param {number} [loads] without it, nothing is noted
 * @returns {number} as noted before; more than allowed if this browser remembers nothing
 */
function countLoads(loads) {
    try {
        const before = Number(sessionStorage.getItem(LOADS));
        if (loads !== undefined) {
            sessionStorage.setItem(LOADS, String(loads));
        }
        return before;
    } catch {
        return MOST;
    }
}
