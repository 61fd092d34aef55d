import assert from "node:assert/strict";
import { test } from "node:test";

import { findHeir, findStaying } from "../../../pkdoors/web/page/model/rows.js";
import { KeyedList } from "../../../pkdoors/web/page/view/keyedlist.js";
import { FakeDocument, FakeElement } from "./fakes/elements.js";

/** Return a number below a bound; the same ones in each run. */
function makeRandom(seed) {
    let state = seed;
    return (bound) => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
        return Math.floor((state / 2 ** 31) * bound);
    };
}

function shuffle(items, random) {
    const rest = [...items];
    return items.map(() => rest.splice(random(rest.length), 1)[0]);
}

/** A list of rows, each with a button. */
class Rows {
    constructor() {
        this.document = new FakeDocument();
        this.parent = new FakeElement(this.document);
        this.passed = [];
        this.forgotten = [];
        this.list = new KeyedList(this.parent, {
            keyOf: (item) => item,
            make: (item) => this._make(item),
            update: (row, item) => assert.equal(row.item, item),
            forget: (row) => this.forgotten.push(row.item),
            passFocus: (row) => this.passed.push(row?.item ?? null),
        });
    }

    show(keys) {
        this.list.update([...keys]);
        assert.equal(this.parent.children.map((row) => row.item).join(""), keys);
    }

    button(key) {
        return this.list.row(key).children[0];
    }

    _make(item) {
        const row = new FakeElement(this.document);
        row.insertBefore(new FakeElement(this.document), null);
        return Object.assign(row, { item });
    }
}

test("the longest run stays", () => {
    assert.deepEqual([...findStaying([..."abcd"], [..."bcda"])].sort(), ["b", "c", "d"]);
    assert.deepEqual([...findStaying([..."abcd"], [..."xa"])], ["a"]);
    assert.deepEqual([...findStaying([], [..."ab"])], []);
});

test("the next row inherits the focus, else the one before", () => {
    assert.equal(findHeir([..."abc"], "b", new Set("ac")), "c");
    assert.equal(findHeir([..."abc"], "c", new Set("ab")), "b");
    assert.equal(findHeir([..."abc"], "b", new Set()), undefined);
});

test("rows have the wanted order after any change, and those that stay are the same", () => {
    const random = makeRandom(7);
    const rows = new Rows();
    let shown = "";
    for (let round = 0; round < 300; round += 1) {
        const some = [..."abcdefghij"].filter(() => random(3) > 0);
        const wanted = shuffle(some, random).join("");
        const before = new Map([...shown].map((key) => [key, rows.list.row(key)]));
        rows.show(wanted);
        for (const key of wanted) {
            assert.equal(rows.list.row(key), before.get(key) ?? rows.list.row(key));
        }
        shown = wanted;
    }
});

test("one row that moves, or vanishes, moves no other", () => {
    const rows = new Rows();
    rows.show("abcdef");
    rows.show("cdefa");
    const moves = Object.fromEntries([..."cdefa"].map((key) => [key, rows.list.row(key).moves]));
    assert.deepEqual(moves, { c: 1, d: 1, e: 1, f: 1, a: 2 });
    assert.deepEqual(rows.forgotten, ["b"]);
});

test("the focus stays in a row that stays, and goes along with one that moves", () => {
    const rows = new Rows();
    rows.show("abc");
    const button = rows.button("a");
    button.focus();
    rows.show("xabc");
    assert.equal(rows.document.activeElement, button);
    rows.show("xbca");
    assert.equal(rows.document.activeElement, button);
    assert.deepEqual(rows.passed, []);
});

test("the focus of a row that vanishes goes to its heir", () => {
    const rows = new Rows();
    rows.show("abc");
    rows.button("b").focus();
    rows.show("ac");
    assert.deepEqual(rows.passed, ["c"]);
    rows.button("a").focus();
    rows.show("");
    assert.deepEqual(rows.passed, ["c", null]);
});

test("the focus elsewhere is left alone", () => {
    const rows = new Rows();
    const other = new FakeElement(rows.document);
    rows.show("abc");
    other.focus();
    rows.show("cb");
    assert.equal(rows.document.activeElement, other);
    assert.deepEqual(rows.passed, []);
});
