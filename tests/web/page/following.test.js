import assert from "node:assert/strict";
import { test } from "node:test";

import { Hearing } from "../../../pkdoors/web/page/following/hearing.js";
import { Listener } from "../../../pkdoors/web/page/following/listener.js";
import { Poller } from "../../../pkdoors/web/page/following/poller.js";
import { countSeconds } from "../../../pkdoors/web/page/following/seconds.js";
import { EventList } from "../../../pkdoors/web/page/model/eventlist.js";
import { Failure } from "../../../pkdoors/web/page/transport/failure.js";
import { makeEvent } from "./fakes/records.js";
import { FakeTimers, settle } from "./fakes/timers.js";

/** Asks, and is answered when the test says so. */
class Asked {
    constructor(pause = 2000, gap = 300) {
        this.timers = new FakeTimers();
        this.log = [];
        this.requests = [];
        this.poller = new Poller(this.timers, {
            ask: () => new Promise((resolve, reject) => this.requests.push({ resolve, reject })),
            onAnswer: (answer, asked) => this.log.push([answer, asked]),
            onFailure: (failure, wait) => this.log.push([failure.sentence, wait]),
            choosePause: () => pause,
            chooseGap: () => gap,
        });
    }

    async answer(answer) {
        this.requests.at(-1).resolve(answer);
        await settle();
    }

    async fail(error) {
        this.requests.at(-1).reject(error);
        await settle();
    }
}

test("it asks again after a pause, and never twice at a time", async () => {
    const asked = new Asked();
    asked.poller.askNow();
    await asked.timers.advance(60_000);
    assert.equal(asked.requests.length, 1);
    await asked.answer("one");
    assert.deepEqual(asked.log, [["one", 1000]]);
    await asked.timers.advance(1999);
    assert.equal(asked.requests.length, 1);
    await asked.timers.advance(1);
    assert.equal(asked.requests.length, 2);
});

test("if something changes while it asks, it asks once more, after the gap", async () => {
    const asked = new Asked();
    asked.poller.askNow();
    asked.poller.askSoon();
    asked.poller.askNow();
    await asked.answer("old");
    await asked.timers.advance(299);
    assert.equal(asked.requests.length, 1);
    await asked.timers.advance(1);
    assert.equal(asked.requests.length, 2);
    await asked.answer("new");
    assert.deepEqual(asked.timers.waiting(), [2000]);
});

test("many changes are one request, and the first has no need to wait", async () => {
    const asked = new Asked();
    asked.poller.askNow();
    await asked.answer("");
    await asked.timers.advance(1000);
    for (let count = 0; count < 50; count += 1) {
        asked.poller.askSoon();
    }
    await asked.timers.advance(0);
    assert.equal(asked.requests.length, 2);
    await asked.answer("");
    asked.poller.askSoon();
    assert.deepEqual(asked.timers.waiting(), [300]);
});

test("changes that never end do not put the request off for ever", async () => {
    const asked = new Asked();
    asked.poller.askNow();
    await asked.answer("");
    for (let count = 0; count < 30; count += 1) {
        asked.poller.askSoon();
        await asked.timers.advance(10);
    }
    assert.equal(asked.requests.length, 2);
});

test("it waits longer after each failure, up to 8 seconds, and begins again after an answer", async () => {
    const asked = new Asked();
    const down = new Failure("it is down");
    asked.poller.askNow();
    for (const pause of [1000, 2000, 4000, 8000, 8000]) {
        await asked.fail(down);
        assert.deepEqual(asked.log.pop(), ["it is down", pause]);
        await asked.timers.advance(pause);
    }
    await asked.answer("");
    await asked.timers.advance(2000);
    await asked.fail(down);
    assert.deepEqual(asked.log.pop(), ["it is down", 1000]);
});

test("without a session it does not ask again until somebody wants it", async () => {
    const asked = new Asked();
    asked.poller.askNow();
    await asked.fail(new Failure("no session", { isOver: true }));
    assert.deepEqual(asked.timers.waiting(), []);
    asked.poller.askNow();
    assert.equal(asked.requests.length, 2);
});

test("a fault in what shows the answer is told, and does not end the questions", async () => {
    const asked = new Asked();
    asked.log.push = () => {
        delete asked.log.push;
        throw new TypeError("x is undefined");
    };
    asked.poller.askNow();
    await asked.answer("");
    assert.match(asked.log[0][0], /^the page has a fault \(TypeError: x is undefined\)/);
    assert.deepEqual(asked.timers.waiting(), [1000]);
});

/** Follows a stream that the test writes. */
class Followed {
    constructor() {
        this.timers = new FakeTimers();
        this.log = [];
        this.streams = [];
        const transport = {
            follow: (path, onText) =>
                new Promise((resolve, reject) =>
                    this.streams.push({ path, onText, resolve, reject }),
                ),
        };
        this.listener = new Listener(this.timers, transport, {
            onBegun: () => this.log.push("begun"),
            onEvent: ({ kind, data }) => this.log.push(`${kind} ${data}`),
            onEnd: (sentence) => this.log.push(sentence),
        });
    }

    get stream() {
        return this.streams.at(-1);
    }

    async end(error) {
        if (error) {
            this.stream.reject(error);
        } else {
            this.stream.resolve();
        }
        await settle();
    }
}

test("it asks for the last events, and later for those after the last one", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    assert.equal(followed.stream.path, "/events?last=200");
    followed.stream.onText(": pkdoors\n\nid: r-1\n\nid: r-2\nevent: opened\ndata: x\n\n");
    assert.deepEqual(followed.log, ["opened x", "begun"]);
    await followed.end();
    assert.equal(followed.log.pop(), "the daemon has ended the stream of events");
    await followed.timers.advance(1000);
    assert.equal(followed.stream.path, "/events?after=r-2");
});

test("a stream that ends before it says anything is tried again where the one before has ended", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    followed.stream.onText(": pkdoors\n\nid: r-1\n\n");
    await followed.end();
    await followed.timers.advance(1000);
    followed.stream.onText(": pkdoors\n\n");
    await followed.end();
    await followed.timers.advance(1000);
    assert.equal(followed.streams.length, 3);
    assert.equal(followed.stream.path, "/events?after=r-1");
});

test("it waits longer after each stream that does not begin, and one that does ends that", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    for (const pause of [1000, 2000, 4000]) {
        await followed.end(new Failure("it is down"));
        assert.deepEqual(followed.timers.waiting(), [pause]);
        await followed.timers.advance(pause);
    }
    followed.stream.onText(": pkdoors\n\n");
    await followed.end();
    assert.deepEqual(followed.timers.waiting(), [1000]);
});

test("a daemon without ids is asked for the last events each time", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    followed.stream.onText(": pkdoors\n\nevent: opened\ndata: x\n\n");
    await followed.end();
    assert.equal(followed.listener.lastId, "");
    await followed.timers.advance(1000);
    assert.equal(followed.stream.path, "/events?last=200");
});

test("a daemon that refuses the argument is asked without it, at once", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    await followed.end(new Failure("unknown argument 'last'", { status: 400 }));
    assert.equal(followed.stream.path, "/events");
    assert.deepEqual(followed.log, []);
});

test("it follows once at a time, and tries again at once if somebody wants it", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    followed.listener.followNow();
    assert.equal(followed.streams.length, 1);
    await followed.end(new Failure("it is down"));
    assert.deepEqual(followed.log, ["it is down"]);
    followed.listener.followNow();
    assert.equal(followed.streams.length, 2);
    assert.deepEqual(followed.timers.waiting(), []);
});

test("the last words of `pkdoors web` are the reason for the end", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    followed.stream.onText(': pkdoors\n\nevent: ended\ndata: {"error": "ssh has ended"}\n\n');
    await followed.end();
    assert.deepEqual(followed.log, ["begun", "ssh has ended"]);
});

test("without a session it does not follow again", async () => {
    const followed = new Followed();
    followed.listener.followNow();
    await followed.end(new Failure("no session", { status: 401, isOver: true }));
    assert.deepEqual(followed.timers.waiting(), []);
});

/** Takes in events, and notes what is said and shown. */
class Heard {
    constructor() {
        this.timers = new FakeTimers();
        this.events = new EventList();
        this.said = [];
        this.shown = 0;
        this.hearing = new Hearing(this.timers, this.events, {
            say: ({ source }) => this.said.push(source),
            show: () => {
                this.shown += 1;
            },
        });
    }

    take(source) {
        this.hearing.take({ kind: "opened", data: JSON.stringify(makeEvent({ source })) });
    }
}

test("events that arrive together are shown together", async () => {
    const heard = new Heard();
    heard.take("192.0.2.1");
    heard.take("192.0.2.2");
    await heard.timers.advance(49);
    assert.equal(heard.shown, 0);
    await heard.timers.advance(1);
    heard.take("192.0.2.3");
    await heard.timers.advance(50);
    assert.equal(heard.shown, 2);
    assert.equal(heard.events.entries.length, 3);
});

test("events from before the page was opened are not read aloud; those that it missed are", async () => {
    const heard = new Heard();
    heard.take("192.0.2.1");
    heard.hearing.begin();
    heard.take("192.0.2.2");
    await heard.timers.advance(1000);
    heard.take("192.0.2.3");
    heard.hearing.begin();
    heard.take("192.0.2.4");
    assert.deepEqual(heard.said, ["192.0.2.3", "192.0.2.4"]);
});

test("one timer counts the seconds, and notices that the computer has slept", async () => {
    const timers = new FakeTimers();
    const log = [];
    countSeconds(timers, { tick: () => log.push("tick"), wake: () => log.push("wake") });
    await timers.advance(2000);
    assert.deepEqual(log, ["tick", "tick", "tick"]);
    assert.equal(timers.waiting().length, 1);
    timers.sleep(60_000);
    await timers.advance(1000);
    assert.deepEqual(log.slice(3), ["wake", "tick"]);
    await timers.advance(1000);
    assert.deepEqual(log.slice(5), ["tick"]);
});
