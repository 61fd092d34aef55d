import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "../../../pkdoors/web/page/model/sse.js";

const STREAM =
    ": pkdoors\n\nid: r-7\n\n" +
    'id: r-8\nevent: opened\ndata: {"a": 1}\n\n' +
    "event: closed\r\ndata:x\r\ndata: y: z\r\n\r\n" +
    "data\n\n";

/** Return the events in a stream that arrives in pieces of a length. */
function read(text, length) {
    const events = [];
    const reader = new EventReader((event) => events.push(event));
    for (let start = 0; start < text.length; start += length) {
        reader.add(text.slice(start, start + length));
    }
    return { events, lastId: reader.lastId };
}

test("events are the same, whatever the pieces in which they arrive", () => {
    const events = [
        { kind: "opened", data: '{"a": 1}' },
        { kind: "closed", data: "x\ny: z" },
        { kind: "message", data: "" },
    ];
    for (let length = 1; length <= STREAM.length; length += 1) {
        assert.deepEqual(read(STREAM, length), { events, lastId: "r-8" }, `pieces of ${length}`);
    }
});

test("an id may come alone, and an event that has not ended does not count", () => {
    assert.deepEqual(read(": pkdoors\n\nid: r-7\n\nid: r-8\ndata: x\n", 100), {
        events: [],
        lastId: "r-7",
    });
});

test("a stream that never ends an event takes no memory without limit", () => {
    const reader = new EventReader(() => {});
    const piece = "x".repeat(1 << 19);
    assert.throws(() => {
        for (let count = 0; count < 4; count += 1) {
            reader.add(piece);
        }
    }, RangeError);
    const another = new EventReader(() => {});
    assert.throws(() => {
        for (let count = 0; count < 4; count += 1) {
            another.add(`data: ${piece}\n`);
        }
    }, RangeError);
});
