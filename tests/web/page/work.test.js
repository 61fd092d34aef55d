import assert from "node:assert/strict";
import { test } from "node:test";

import { makeWork } from "../../../pkdoors/web/page/following/work.js";
import { Board } from "../../../pkdoors/web/page/model/board.js";
import { Selection } from "../../../pkdoors/web/page/model/selection.js";
import { Failure } from "../../../pkdoors/web/page/transport/failure.js";
import { makeOpening, makeStatus } from "./fakes/records.js";
import { FakeTimers, settle } from "./fakes/timers.js";

/** Asks a daemon that answers as a test says. */
class Working {
    constructor(...answers) {
        this.timers = new FakeTimers();
        this.selection = new Selection();
        this.board = new Board();
        this.paths = [];
        this.log = [];
        this.isHidden = false;
        const transport = {
            ask: async (method, path) => {
                this.paths.push(path);
                const answer = answers.shift() ?? makeStatus();
                return answer instanceof Failure ? Promise.reject(answer) : answer;
            },
        };
        const page = {
            learn: (status, asked) => this.board.learn(status, asked),
            lose: (failure) => this.log.push(failure.sentence),
            chart: (answer) => this.log.push(answer),
            missRates: (failure) => this.log.push(failure.sentence),
            isHidden: () => this.isHidden,
        };
        this.work = makeWork(this, transport, page);
    }

    async askStatus() {
        this.work.status.askNow();
        await settle();
    }
}

const refusal = (sentence, status = 400) => new Failure(sentence, { status });

test("the status is asked for every two seconds, less often if there is much or nobody looks", async () => {
    const working = new Working();
    await working.askStatus();
    assert.deepEqual(working.timers.waiting(), [2000]);
    working.isHidden = true;
    await working.askStatus();
    assert.deepEqual(working.timers.waiting(), [10_000]);
    const many = Array.from({ length: 201 }, (_, number) =>
        makeOpening({ source: `10.0.0.${number}` }),
    );
    const busy = new Working(makeStatus(many));
    await busy.askStatus();
    assert.deepEqual(busy.timers.waiting(), [10_000]);
});

test("an opening that an event announces is asked for at once", async () => {
    const working = new Working();
    await working.askStatus();
    await working.timers.advance(1000);
    working.work.status.askSoon();
    await working.timers.advance(0);
    assert.equal(working.paths.length, 2);
});

test("a filter that the daemon refuses is not a failure of the connection", async () => {
    const working = new Working(refusal("'300.1.1.1' is not an address"));
    working.selection.choose({ text: "300.1.1.1" });
    await working.askStatus();
    assert.deepEqual(working.paths, ["/status?limit=1000&source=300.1.1.1", "/status?limit=1000"]);
    assert.deepEqual(working.log, []);
    assert.ok(working.board.status);
});

test("a door that a reload has removed is not a failure of the connection, either", async () => {
    const working = new Working(refusal("there is no door 'web': the doors are ssh", 404));
    working.selection.choose({ door: "web" });
    await working.askStatus();
    assert.deepEqual(working.paths, ["/status?limit=1000&door=web", "/status?limit=1000"]);
    assert.deepEqual(working.log, []);
    assert.equal(working.selection.door, "");
});

test("a refusal does not count against what the operator has typed since", async () => {
    const working = new Working(refusal("'10.0.0.0/1' is not a network"));
    working.selection.choose({ text: "10.0.0.0/1" });
    working.work.status.askNow();
    working.selection.choose({ text: "10.0.0.0/16" });
    await settle();
    assert.equal(working.paths.at(-1), "/status?limit=1000&within=10.0.0.0%2F16");
    assert.ok(working.selection.isDaemons);
    assert.deepEqual(working.log, []);
});

test("a daemon of an earlier version shows all openings", async () => {
    const working = new Working(refusal("unknown argument 'limit': allowed are none"));
    await working.askStatus();
    assert.deepEqual(working.paths, ["/status?limit=1000", "/status"]);
    assert.deepEqual(working.log, []);
});

test("any other refusal is a failure", async () => {
    const working = new Working(refusal("no"), refusal("down", 503), refusal("unknown", 404));
    for (let count = 0; count < 3; count += 1) {
        await working.askStatus();
    }
    assert.deepEqual(working.log, ["no", "down", "unknown"]);
});

test("a daemon without rates is not asked again, and the page says why", async () => {
    const working = new Working(refusal("there is no '/rates'", 404));
    working.work.rates.askNow();
    await settle();
    assert.match(working.log[0], /this daemon is of an earlier version/);
    assert.deepEqual(working.timers.waiting(), []);
});
