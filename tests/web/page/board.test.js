import assert from "node:assert/strict";
import { test } from "node:test";

import { Board } from "../../../pkdoors/web/page/model/board.js";
import { PAGE, Selection } from "../../../pkdoors/web/page/model/selection.js";
import { makeOpening, makeStatus } from "./fakes/records.js";

test("a deadline is counted from when the status was asked for", () => {
    const board = new Board();
    board.learn(makeStatus([makeOpening({ seconds_left: 12 })]), 100);
    assert.equal(board.entries[0].deadline, 112);
    assert.equal(board.uptime(103), 103);
    assert.equal(board.total(), 1);
});

test("answers that take different times do not make the countdown flicker", () => {
    const board = new Board();
    board.learn(makeStatus([makeOpening({ seconds_left: 12 })]), 100);
    board.learn(makeStatus([makeOpening({ seconds_left: 9.6 })]), 102);
    assert.equal(board.entries[0].deadline, 112);
    board.learn(makeStatus([makeOpening({ seconds_left: 9 })]), 102);
    assert.equal(board.entries[0].deadline, 111);
});

test("a bar is full at first and when the opening is extended", () => {
    const board = new Board();
    board.learn(makeStatus([makeOpening({ seconds_left: 12 })]), 100);
    assert.equal(board.entries[0].full, 30);
    board.learn(makeStatus([makeOpening({ seconds_left: 2 })]), 110);
    assert.equal(board.entries[0].full, 30);
    board.learn(makeStatus([makeOpening({ seconds_left: 600 })]), 111);
    assert.equal(board.entries[0].full, 600);
});

test("an opening that has ended is forgotten: the next one for its address is a new one", () => {
    const board = new Board();
    board.learn(makeStatus([makeOpening({ seconds_left: 600 })]), 100);
    board.learn(makeStatus([]), 101);
    board.learn(makeStatus([makeOpening({ seconds_left: 20 })]), 102);
    assert.equal(board.entries[0].full, 30);
});

test("an opening that is twice in an answer is one", () => {
    const board = new Board();
    const twice = [makeOpening(), makeOpening({ seconds_left: 60 })];
    board.learn(makeStatus([...twice, makeOpening({ door: "web" })]), 100);
    assert.deepEqual(
        board.entries.map(({ key, deadline }) => [key, deadline]),
        [
            ["ssh 192.0.2.7", 160],
            ["web 192.0.2.7", 130],
        ],
    );
});

test("an older daemon gives no total", () => {
    const board = new Board();
    board.learn({ ...makeStatus([makeOpening()]), total: undefined }, 100);
    assert.equal(board.total(), 1);
});

test("the daemon is asked for one page, and looks up whole addresses and networks", () => {
    const selection = new Selection();
    const query = () =>
        Object.fromEntries(new URLSearchParams(selection.query("/status").slice(8)));
    assert.deepEqual(query(), { limit: String(PAGE) });
    selection.choose({ door: "ssh", text: " 192.0.2.7 " });
    assert.deepEqual(query(), { limit: String(PAGE), door: "ssh", source: "192.0.2.7" });
    assert.ok(selection.isDaemons);
    selection.choose({ text: "2001:db8::/64" });
    assert.deepEqual(query(), { limit: String(PAGE), door: "ssh", within: "2001:db8::/64" });
    for (const text of ["192.0.2.", "anna", "beef", "SHA256:ab:c", "10.0.0.0/"]) {
        selection.choose({ door: "", text });
        assert.deepEqual(query(), { limit: String(PAGE) }, text);
        assert.ok(!selection.isDaemons);
    }
});

test("what the daemon refuses is not asked for again", () => {
    const selection = new Selection();
    selection.choose({ text: "300.1.1.1" });
    selection.cursors = ["1:1"];
    assert.ok(selection.relax(400));
    assert.doesNotMatch(selection.query("/status"), /after/);
    assert.ok(selection.isDaemons);
    assert.ok(selection.relax(400));
    assert.doesNotMatch(selection.query("/status"), /source/);
    assert.ok(!selection.isDaemons);
    assert.ok(!selection.relax(400));
    selection.choose({ text: "192.0.2.1" });
    assert.match(selection.query("/status"), /source=192/);
});

test("another choice begins with the first page", () => {
    const selection = new Selection();
    selection.cursors = ["51234.567:99"];
    assert.match(selection.query("/status"), /after=51234\.567%3A99/);
    selection.choose({ door: "web" });
    assert.doesNotMatch(selection.query("/status"), /after/);
});
