import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../../pkdoors/web/page/view/announcer.js";
import { Confirmation } from "../../../pkdoors/web/page/view/confirmation.js";
import { FakeDocument, FakeElement } from "./fakes/elements.js";
import { makeEvent } from "./fakes/records.js";
import { FakeTimers } from "./fakes/timers.js";

test("a flood of events is one text in four seconds", async () => {
    const timers = new FakeTimers();
    const [polite, assertive] = [1, 2].map(() => new FakeElement(new FakeDocument()));
    const announcer = new Announcer(polite, assertive, timers);
    for (let second = 0; second < 8; second += 1) {
        for (let count = 0; count < 20; count += 1) {
            announcer.hear(makeEvent({ event: "refused" }));
        }
        await timers.advance(1000);
    }
    assert.equal(polite.textContent, "80 knocks were refused");
    assert.equal(polite.children[0].moves, 1);
    assert.equal(assertive.textContent, "");
});

test("the same sentence again is a change, so it is read again", () => {
    const region = new FakeElement(new FakeDocument());
    const announcer = new Announcer(region, region, new FakeTimers());
    announcer.alarm("it is down");
    const [before] = region.children;
    announcer.alarm("it is down");
    assert.notEqual(region.children[0], before);
    assert.equal(region.textContent, "it is down");
});

/** A button that asks before it acts. */
class Asking {
    constructor() {
        this.timers = new FakeTimers();
        this.button = new FakeElement(new FakeDocument());
        this.log = [];
        const words = {
            text: "Close",
            name: "Close ssh for 192.0.2.7",
            question: "Really close?",
            longQuestion: "Really close ssh for 192.0.2.7?",
        };
        new Confirmation(this.button, words, this.timers, {
            ask: (question) => this.log.push(question),
            act: () => this.log.push("act"),
        });
    }

    get name() {
        return this.button.getAttribute("aria-label");
    }

    press() {
        this.button.dispatch("click");
    }
}

test("the first press asks, the second one acts", async () => {
    const asking = new Asking();
    assert.equal(asking.name, "Close ssh for 192.0.2.7");
    asking.press();
    assert.equal(asking.button.textContent, "Really close?");
    assert.equal(asking.name, "Really close ssh for 192.0.2.7?");
    await asking.timers.advance(500);
    asking.press();
    assert.deepEqual(asking.log, ["Really close ssh for 192.0.2.7?", "act"]);
    assert.equal(asking.button.textContent, "Close");
    assert.deepEqual(asking.timers.waiting(), []);
});

test("a double click is no answer", async () => {
    const asking = new Asking();
    asking.press();
    await asking.timers.advance(200);
    asking.press();
    assert.equal(asking.log.length, 1);
    assert.equal(asking.button.textContent, "Really close?");
});

test("Escape, another place of the focus, or time take the question back", async () => {
    const ways = [
        (asking) => asking.button.dispatch("keydown", { key: "Escape" }),
        (asking) => asking.button.dispatch("blur"),
        (asking) => asking.timers.advance(10_000),
    ];
    for (const takeBack of ways) {
        const asking = new Asking();
        asking.press();
        await takeBack(asking);
        await asking.timers.advance(0);
        assert.equal(asking.button.textContent, "Close");
        await asking.timers.advance(1000);
        asking.press();
        assert.ok(!asking.log.includes("act"));
    }
});

test("the question stays if the button's row moves, which takes the focus for a moment", async () => {
    const asking = new Asking();
    asking.button.focus();
    asking.press();
    asking.button.dispatch("blur");
    await asking.timers.advance(500);
    assert.equal(asking.button.textContent, "Really close?");
    asking.press();
    assert.ok(asking.log.includes("act"));
});

test("a key that is held down is no second press", () => {
    const asking = new Asking();
    const prevented = [];
    const preventDefault = () => prevented.push(true);
    asking.button.dispatch("keydown", { key: "Enter", repeat: false, preventDefault });
    asking.button.dispatch("keydown", { key: "Enter", repeat: true, preventDefault });
    assert.equal(prevented.length, 1);
});

test("a button whose request is under way does nothing", async () => {
    const asking = new Asking();
    asking.button.setAttribute("aria-disabled", "true");
    asking.press();
    assert.deepEqual(asking.log, []);
});
