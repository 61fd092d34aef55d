import assert from "node:assert/strict";
import { test } from "node:test";

import { listTimes, readTime } from "../../../pkdoors/web/page/model/choices.js";
import {
    formatDuration,
    formatLength,
    formatRough,
    parseDuration,
} from "../../../pkdoors/web/page/model/durations.js";
import { formatAgo, formatClock, formatMoment } from "../../../pkdoors/web/page/model/times.js";
import { makeDoor } from "./fakes/records.js";

test("lengths are written as pkdoors writes them", () => {
    assert.equal(formatDuration(5400), "1h30m");
    assert.equal(formatDuration(0.02), "20ms");
    assert.equal(formatDuration(0), "0s");
    assert.equal(formatLength(252.4), "4m12s");
    assert.equal(formatLength(-3), "0s");
});

test("the time that is left never looks longer than it is", () => {
    assert.equal(formatRough(29.9), "29s");
    assert.equal(formatRough(0.4), "1s");
    assert.equal(formatRough(0), "0s");
    assert.equal(formatRough(3599), "59m59s");
    assert.equal(formatRough(8 * 3600 + 59), "8h");
    assert.equal(formatRough(8 * 3600 + 119), "8h1m");
    assert.equal(formatRough(6 * 86_400 + 23 * 3600 + 3599), "6d23h");
});

test("lengths are read as pkdoors reads them", () => {
    const good = { 45: 45, "45s": 45, " 10m ": 600, "8h": 28_800, "7d": 604_800, "1h30m": 5400 };
    for (const [text, seconds] of Object.entries(good)) {
        assert.equal(parseDuration(text), seconds, text);
    }
    for (const text of ["", "1.5", "-3", "ten", "10m5", "5m10m", "1h 30m", "m"]) {
        assert.ok(Number.isNaN(parseDuration(text)), text);
    }
});

test("the door's own time comes first, then steps up to the most that it allows", () => {
    const choices = listTimes(makeDoor());
    assert.deepEqual(
        choices.map(({ value }) => value),
        ["", "60", "300", "900", "1800", "3600", "another"],
    );
    assert.equal(choices[0].text, "30s, as a knock gets");
    assert.equal(choices[5].text, "1h, the most that the door allows");
    const short = listTimes(makeDoor({ open_for: 60, max_open_for: 60 }));
    assert.deepEqual(
        short.map(({ value }) => value),
        ["", "another"],
    );
});

test("what would not extend an opening cannot be chosen", () => {
    const useful = listTimes(makeDoor(), 1000).filter(({ isUseful }) => isUseful);
    assert.deepEqual(
        useful.map(({ value }) => value),
        ["1800", "3600", "another"],
    );
});

test("a time is read from the menu or from the field beside it", () => {
    const door = makeDoor();
    assert.deepEqual(readTime("", "", door), { seconds: 0, fault: "" });
    assert.deepEqual(readTime("300", "rubbish", door), { seconds: 300, fault: "" });
    assert.deepEqual(readTime("another", "45m", door), { seconds: 2700, fault: "" });
    assert.match(readTime("another", " ", door).fault, /^the time is missing: write it like /);
    assert.match(readTime("another", "0", door).fault, /^"0" is not a time: /);
    assert.equal(
        readTime("another", "2h", door).fault,
        "2h is too long: door ssh opens for 1h at most",
    );
});

test("moments have their date unless that is today", () => {
    const moment = new Date(2026, 10, 23, 8, 3, 7);
    const now = new Date(2026, 10, 23, 23, 59).getTime();
    assert.equal(formatClock(moment, now), "08:03:07");
    assert.equal(formatClock(moment, now + 120_000), "2026-11-23 08:03:07");
    assert.match(formatMoment(moment), /^2026-11-23 08:03:07 UTC([+-]\d\d:\d\d)?$/);
});

test("how long ago something was has one unit, and is never in the future", () => {
    const moment = new Date(1_800_000_000_000);
    const ago = (seconds) => formatAgo(moment, moment.getTime() + 1000 * seconds);
    assert.deepEqual([-50, 0, 4.9].map(ago), ["now", "now", "now"]);
    assert.deepEqual([13, 59, 61, 3599, 3600, 172_800].map(ago), [
        "10s ago",
        "55s ago",
        "1m ago",
        "59m ago",
        "1h ago",
        "2d ago",
    ]);
});
