import assert from "node:assert/strict";
import { test } from "node:test";

import {
    SAMPLES,
    countDropped,
    describeDropped,
    formatRate,
    listMinutes,
    makeLines,
} from "../../../pkdoors/web/page/model/rates.js";

const START = new Date(2026, 10, 23, 8, 0, 0).getTime();

/** Return an answer to GET /rates: a sample for each number of knocks. */
function makeRates(...knocks) {
    const rates = knocks.map((count, number) => ({
        time: new Date(START + 10_000 * (number + 1)).toISOString(),
        seconds: 10,
        knocks: count,
        request: 0,
        refused: 1,
        limit: 0,
        junk: 1000 * count,
        overflow: 1,
        opened: 0,
    }));
    return { step: 10, rates };
}

test("rates are for each second", () => {
    const { heard, dropped } = makeLines(makeRates(5, 20, 10));
    assert.deepEqual(heard.values, [0.5, 2, 1]);
    assert.deepEqual(dropped.values, [500.1, 2000.1, 1000.1]);
    assert.equal(heard.describe(START), "1.0/s now, 2.0/s at most, at 08:00:20");
    assert.equal(countDropped(makeRates(2).rates[0]), 2001);
});

test("a step that took longer counts with its own length", () => {
    const answer = makeRates(60);
    answer.rates[0].seconds = 30;
    assert.deepEqual(makeLines(answer).heard.values, [2]);
});

test("without knocks, and without any sample", () => {
    const { heard } = makeLines(makeRates(0, 0));
    assert.equal(heard.describe(START), "0/s now, none in the last quarter of an hour");
    const { heard: empty } = makeLines(makeRates());
    assert.equal(empty.describe(START), "nothing yet");
    assert.equal(empty.draw(450, 60, true), "");
});

test("the scale ends at 1, 2 or 5 of a power of ten, above the most", () => {
    const top = (...knocks) => makeLines(makeRates(...knocks)).heard.top;
    assert.deepEqual([top(0), top(3), top(11), top(30), top(51), top(990)], [1, 1, 2, 5, 10, 100]);
});

test("the line has a step for each sample, and ends at the right", () => {
    const { heard } = makeLines(makeRates(10, 0));
    assert.equal(heard.draw(90, 60, false), "M88.0 0.0 L89.0 0.0 L89.0 60.0 L90.0 60.0");
    assert.equal(
        heard.draw(90, 60, true),
        "M88.0 60 L88.0 0.0 L89.0 0.0 L89.0 60.0 L90.0 60.0 L90 60 Z",
    );
    const full = makeLines(makeRates(...Array(SAMPLES + 5).fill(10))).heard;
    assert.match(full.draw(450, 60, false), /^M0\.0 0\.0 L/);
});

test("minutes are summed from the newest on", () => {
    const minutes = listMinutes(makeRates(1, 2, 3, 4, 5, 6, 7));
    assert.deepEqual(
        minutes.map(({ heard }) => heard),
        [27, 1],
    );
    assert.deepEqual(
        minutes.map(({ refused }) => refused),
        [6, 1],
    );
    assert.equal(minutes[0].time.getTime(), START + 70_000);
});

test("figures are short", () => {
    assert.deepEqual([0, 0.04, 0.31, 9.96, 12.4, 4512.6].map(formatRate), [
        "0",
        "0.0",
        "0.3",
        "10.0",
        "12",
        "4,513",
    ]);
    const dropped = { limit: 12, junk: 4512, overflow: 0 };
    assert.equal(describeDropped(dropped), "12 too many from one source, 4,512 not knocks");
});
