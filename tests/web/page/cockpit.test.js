import assert from "node:assert/strict";
import { test } from "node:test";

import { makeCockpitTransport } from "../../../pkdoors/web/page/transport/cockpit.js";
import { FakeCockpit } from "./fakes/cockpit.js";

const HERE = { output: '{"admin": "/run/a.sock"}' };
const MOVED = { output: '{"admin": "/run/b.sock"}' };
const GONE = { output: '{"error": "the daemon is not running"}', problem: { exit_status: 1 } };
const NOBODY = { problem: { problem: "not-found" } };
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

const timers = { setTimeout: () => 0, clearTimeout: () => {} };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function begin(answers) {
    const cockpit = new FakeCockpit(answers);
    return { cockpit, transport: makeCockpitTransport(cockpit, timers) };
}

/** Follow the events; return the channel, the texts, and how it ended. */
async function follow(answers) {
    const { cockpit, transport } = begin(answers);
    const texts = [];
    const ended = transport.follow("/events?last=2", (text) => texts.push(text)).then(
        () => "",
        (failure) => failure.sentence,
    );
    await turn();
    return { cockpit, channel: cockpit.channels[0], texts, ended };
}

test("a request goes to the socket that pkdoors names, as root", async () => {
    const requests = [{ output: '{"a": 1}' }, { output: '{"b": 2}' }];
    const { cockpit, transport } = begin({ commands: [HERE], requests });
    assert.deepEqual(await transport.ask("GET", "/status?limit=5"), { a: 1 });
    assert.deepEqual(await transport.ask("POST", "/openings", { door: "ssh" }), { b: 2 });
    const [found, get, post] = cockpit.asked;
    assert.deepEqual(found, { words: "pkdoors relay-admin --ask admin", superuser: "require" });
    assert.deepEqual([get.unix, get.superuser, get.body], ["/run/a.sock", "require", ""]);
    assert.deepEqual(get.headers, { Host: "pkdoors" });
    assert.equal(post.headers["Content-Type"], "application/json");
    assert.deepEqual(JSON.parse(post.body), { door: "ssh" });
});

test("a refusal has the daemon's sentence and status", async () => {
    const refusal = { output: '{"error": "there is no door"}', problem: { status: 404 } };
    const { transport } = begin({ commands: [HERE], requests: [refusal] });
    const wanted = { sentence: "there is no door", status: 404 };
    await assert.rejects(transport.ask("GET", "/openings?door=x"), wanted);
});

test("a daemon that has moved is found again", async () => {
    const requests = [NOBODY, { output: "{}" }, { output: "{}" }];
    const { cockpit, transport } = begin({ commands: [HERE, MOVED], requests });
    await transport.ask("GET", "/status");
    await transport.ask("GET", "/status");
    const sockets = cockpit.asked.map(({ unix }) => unix).filter(Boolean);
    assert.deepEqual(sockets, ["/run/a.sock", "/run/b.sock", "/run/b.sock"]);
});

test("without a daemon, the sentence is that of pkdoors; then it is looked for again", async () => {
    const { transport } = begin({ commands: [GONE, HERE], requests: [{ output: "{}" }] });
    await assert.rejects(transport.ask("GET", "/status"), { sentence: "the daemon is not running" });
    assert.deepEqual(await transport.ask("GET", "/status"), {});
});

test("a request that may have been heard is not sent twice", async () => {
    const requests = [{ problem: { problem: "terminated" } }];
    const { cockpit, transport } = begin({ commands: [HERE], requests });
    await assert.rejects(transport.ask("DELETE", "/openings/192.0.2.7"), /ended before it answered/);
    assert.equal(cockpit.asked.length, 2);
});

test("without administrative access the sentence says what to do, and a change is reported", async () => {
    const { cockpit, transport } = begin({ commands: [{ problem: { problem: "access-denied" } }] });
    let changes = 0;
    transport.onChange(() => (changes += 1));
    await assert.rejects(transport.ask("GET", "/status"), /no administrative access: turn it on/);
    cockpit.listeners.forEach((callback) => callback());
    assert.equal(changes, 1);
});

test("a missing command, a log-out and anything else have sentences", async () => {
    for (const [problem, words] of [
        [{ problem: "not-found" }, /put a link to it into \/usr\/local\/bin/],
        [{ problem: "disconnected" }, /log in again/],
        [{ problem: "internal-error", message: "oops" }, /oops: see the log of Cockpit/],
    ]) {
        const { transport } = begin({ commands: [{ problem }] });
        await assert.rejects(transport.check(), { message: words });
    }
});

test("the check and the fleet come from pkdoors", async () => {
    const commands = [{ output: "[]" }, { output: '{"hosts": []}' }, { output: "?" }];
    const { cockpit, transport } = begin({ commands });
    assert.deepEqual([await transport.check(), await transport.fleet()], [[], { hosts: [] }]);
    await assert.rejects(transport.about(), /not JSON/);
    const words = cockpit.asked.map((each) => each.words.split(" ").pop());
    assert.deepEqual(words, ["check", "fleet", "about"]);
});

test("events arrive whole, however their bytes do, until the stream ends", async () => {
    const { channel, texts, ended } = await follow({ commands: [HERE] });
    assert.equal(channel.sent, "GET /events?last=2 HTTP/1.0\r\nHost: pkdoors\r\n\r\n");
    assert.deepEqual([channel.options.unix, channel.options.superuser], ["/run/a.sock", "require"]);
    for (const byte of new TextEncoder().encode(`${HEAD}data: "ö"\n\n`)) {
        channel.receive(new Uint8Array([byte]));
    }
    assert.equal(texts.join(""), 'data: "ö"\n\n');
    channel.close();
    assert.equal(await ended, "");
});

test("a refused stream has the daemon's sentence", async () => {
    const { channel, texts, ended } = await follow({ commands: [HERE] });
    channel.receive('HTTP/1.1 503 Service Unavailable\r\n\r\n{"error": "64 clients');
    channel.receive(' follow"}');
    channel.close();
    assert.deepEqual([await ended, texts], ["64 clients follow", []]);
});

test("a stream that is not HTTP, or ends before it begins, is a failure", async () => {
    for (const bytes of ["SSH-2.0\r\n\r\n", "x".repeat(8193), ""]) {
        const { channel, ended } = await follow({ commands: [HERE] });
        channel.receive(bytes);
        assert.equal(channel.isClosed, bytes !== ""); // the daemon, or what it is, may go on sending
        channel.close();
        assert.match(await ended, /see its log/);
    }
});

test("a stream, too, finds a daemon that has moved, with each of Cockpit's bridges", async () => {
    for (const problem of ["not-found", "terminated"]) {
        const { cockpit, channel, texts, ended } = await follow({ commands: [HERE, MOVED] });
        channel.close({ problem });
        await turn();
        const next = cockpit.channels[1];
        assert.equal(next.options.unix, "/run/b.sock");
        next.receive(`${HEAD}: pkdoors\n\n`);
        next.close();
        assert.deepEqual([await ended, texts], ["", [": pkdoors\n\n"]]);
    }
});
