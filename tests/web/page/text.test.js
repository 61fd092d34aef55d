import assert from "node:assert/strict";
import { test } from "node:test";

import {
    MAX_TEXT,
    clean,
    countOf,
    formatCount,
    shorten,
    splitCode,
} from "../../../pkdoors/web/page/model/text.js";
import { KEY } from "./fakes/records.js";

test("ordinary text of any script stays as it is", () => {
    for (const text of ["anna@laptop", "Zoë Müller", "山田", "<b>&amp;</b>", "👍"]) {
        assert.equal(clean(text), text);
    }
});

test("what steers the direction, ends a line or is invisible becomes visible", () => {
    assert.equal(clean("a\u202eb"), "a\\u{202e}b");
    assert.equal(clean("a\nb\u0000c\u2028d\u200be"), "a\\u{a}b\\u{0}c\\u{2028}d\\u{200b}e");
    assert.equal(clean("\ud800"), "\\u{d800}");
});

test("a long text is cut, and what is missing is nothing", () => {
    assert.equal(clean("x".repeat(MAX_TEXT)).length, MAX_TEXT);
    assert.equal(clean("x".repeat(100_000)), `${"x".repeat(MAX_TEXT)}...`);
    assert.equal(clean(undefined), "");
});

test("fingerprints are cut, numbers have commas, nouns a plural", () => {
    assert.equal(shorten(`by ${KEY}, twice`), "by SHA256:uJ8kq0Yx..., twice");
    assert.equal(formatCount(4512), "4,512");
    assert.equal(countOf(1, "address", "es"), "1 address");
    assert.equal(countOf(2, "address", "es"), "2 addresses");
});

test("text between backquotes is code, unless one is missing", () => {
    assert.deepEqual(splitCode("run `pkdoors reload`, then wait"), [
        { text: "run ", isCode: false },
        { text: "pkdoors reload", isCode: true },
        { text: ", then wait", isCode: false },
    ]);
    assert.deepEqual(splitCode("a ` b"), [{ text: "a ` b", isCode: false }]);
});
