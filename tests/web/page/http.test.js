import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseTransport } from "../../../pkdoors/web/page/transport/choose.js";
import { makeHTTPTransport } from "../../../pkdoors/web/page/transport/http.js";
import { SessionKey } from "../../../pkdoors/web/page/transport/sessionkey.js";
import { settle } from "./fakes/timers.js";

/** Return a place where a browser stores texts. */
function makeStorage() {
    const texts = new Map();
    return {
        getItem: (name) => texts.get(name) ?? null,
        setItem: (name, text) => texts.set(name, text),
    };
}

/** Answers like a browser's fetch; what is asked for stands in `requests`. */
class Site {
    constructor(...answers) {
        this.requests = [];
        this.location = { hash: "" };
        this.hidden = 0;
        const key = new SessionKey(() => this.storage);
        this.storage = makeStorage();
        const fetch = async (path, options) => {
            this.requests.push({ path, ...options });
            const answer = answers.shift();
            if (answer instanceof Error) {
                throw answer;
            }
            return answer;
        };
        this.transport = makeHTTPTransport(
            fetch,
            this.location,
            () => {
                this.hidden += 1;
            },
            key,
        );
    }
}

const json = (value, status = 200) => new Response(JSON.stringify(value), { status });

test("a token begins a session, and vanishes from the address of the page", async () => {
    const site = new Site(json({ key: "the key" }), json({}));
    site.location.hash = "#secret";
    await site.transport.begin();
    const [{ path, method, body }] = site.requests;
    assert.deepEqual([path, method, body], ["session", "POST", "secret"]);
    assert.equal(site.hidden, 1);
    await site.transport.about();
    assert.deepEqual(site.requests[1].headers, { "Pkdoors-Key": "the key" });
});

test("the key of a session serves all tabs, and this one even if the browser stores nothing", () => {
    const storage = makeStorage();
    const [one, other] = [1, 2].map(() => new SessionKey(() => storage));
    assert.deepEqual(one.headers(), {});
    one.keep("first");
    assert.deepEqual(other.headers(), { "Pkdoors-Key": "first" });
    other.keep("second");
    assert.deepEqual(one.headers(), { "Pkdoors-Key": "second" });
    const alone = new SessionKey(() => {
        throw new DOMException("", "SecurityError");
    });
    alone.keep("third");
    assert.deepEqual(alone.headers(), { "Pkdoors-Key": "third" });
});

test("without a token there is nothing to begin", async () => {
    const site = new Site();
    await site.transport.begin();
    assert.deepEqual(site.requests, []);
});

test("a link that was used before is no failure: the browser may have its session", async () => {
    const site = new Site(json({ error: "used" }, 403));
    site.location.hash = "#secret";
    await site.transport.begin();
    assert.equal(site.hidden, 1);
});

test("if nobody answers, the token is kept for the next try", async () => {
    const site = new Site(new TypeError("failed to fetch"));
    site.location.hash = "#secret";
    await assert.rejects(site.transport.begin(), { status: 0, sentence: /does not answer/ });
    assert.equal(site.hidden, 0);
});

test("the daemon's paths, bodies and sentences pass unchanged", async () => {
    const site = new Site(
        json({ opening: 1 }),
        json({ closed: [] }),
        json({ error: "too long" }, 400),
    );
    const wanted = { source: "192.0.2.7", door: "ssh" };
    assert.deepEqual(await site.transport.ask("POST", "/openings", wanted), { opening: 1 });
    await site.transport.ask("DELETE", "/openings/10.0.0.0/16?door=ssh");
    const failed = site.transport.ask("GET", "/status?limit=1");
    await assert.rejects(failed, { sentence: "too long", status: 400, isOver: false });
    const [post, close, get] = site.requests;
    assert.equal(post.path, "api/openings");
    assert.deepEqual(JSON.parse(post.body), wanted);
    assert.equal(post.headers["Content-Type"], "application/json");
    assert.deepEqual([close.path, close.body], ["api/openings/10.0.0.0/16?door=ssh", undefined]);
    assert.deepEqual([get.headers, get.body], [{}, undefined]);
});

test("what went wrong is a sentence, whatever it is", async () => {
    const failures = [
        [json({ error: "no session" }, 401), { sentence: "no session", isOver: true }],
        [new Response("<h1>oops</h1>", { status: 502 }), { sentence: /status 502/, isOver: false }],
        [json({ error: 7 }, 500), { sentence: /status 500/ }],
        [new Response("not json"), { sentence: /it is not JSON/ }],
        [
            new TypeError("failed to fetch"),
            { sentence: /`pkdoors web` does not answer/, status: 0 },
        ],
        [new DOMException("", "TimeoutError"), { sentence: /no answer within 10 seconds/ }],
    ];
    for (const [answer, failure] of failures) {
        await assert.rejects(new Site(answer).transport.about(), failure);
    }
});

test("each question has an end, whether or not somebody answers; only a stream has none", async () => {
    const site = new Site(...Array.from({ length: 7 }, () => json({})));
    site.location.hash = "#secret";
    const { transport } = site;
    await transport.begin();
    await transport.ask("GET", "/status");
    await transport.ask("POST", "/openings", {});
    for (const about of [transport.about, transport.check, transport.fleet]) {
        await about();
    }
    assert.equal(site.requests.length, 6);
    assert.ok(site.requests.every(({ signal }) => signal instanceof AbortSignal));
    await transport.follow("/events", () => {});
    assert.equal(site.requests.at(-1).signal, undefined);
});

test("a stream is handed on in pieces, whole letters at a time", async () => {
    const bytes = new TextEncoder().encode("data: Zoë\n\n");
    const body = new ReadableStream({
        start(controller) {
            controller.enqueue(bytes.slice(0, 9));
            controller.enqueue(bytes.slice(9));
            controller.close();
        },
    });
    const site = new Site(new Response(body));
    const pieces = [];
    await site.transport.follow("/events?last=200", (text) => pieces.push(text));
    assert.equal(pieces.join(""), "data: Zoë\n\n");
    assert.equal(site.requests[0].path, "api/events?last=200");
    assert.equal(site.requests[0].signal, undefined);
});

test("if the page cannot take a piece, the stream ends, and that is the reason", async () => {
    let isCancelled = false;
    const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
        cancel: () => {
            isCancelled = true;
        },
    });
    const site = new Site(new Response(body));
    const failed = site.transport.follow("/events", () => {
        throw new RangeError("too long");
    });
    await assert.rejects(failed, RangeError);
    await settle();
    assert.ok(isCancelled);
});

test("a stream that breaks says that `pkdoors web` does not answer", async () => {
    const body = new ReadableStream({
        start: (controller) => controller.error(new TypeError("network error")),
    });
    const failed = new Site(new Response(body)).transport.follow("/events", () => {});
    await assert.rejects(failed, { sentence: /`pkdoors web` does not answer/ });
});

/** A window at an address of the page, which has one part, #doors-title. */
function makeWindow(hash) {
    const listeners = [];
    const window = {
        asked: [],
        location: { pathname: "/", hash },
        history: { replaceState: (_state, _title, path) => window.go(path) },
        document: { getElementById: (id) => (id === "doors-title" ? {} : null) },
        addEventListener: (kind, callback) => kind === "hashchange" && listeners.push(callback),
        fetch: async (path, { body }) => {
            window.asked.push([path, body]);
            return json({ key: "the key" });
        },
        go: (path) => {
            window.location.hash = path.replace(/^[^#]*/, "");
        },
        follow: (link) => {
            window.go(link);
            listeners.forEach((callback) => callback());
        },
    };
    return window;
}

test("another link that is opened in the same tab begins a session, without loading the page", async () => {
    const window = makeWindow("#first");
    const transport = await chooseTransport(window);
    const begun = [];
    transport.onChange(() => begun.push(transport.begin()));
    await transport.begin();
    window.follow("http://0123.localhost:4711/#second");
    await Promise.all(begun);
    assert.deepEqual(window.asked, [
        ["session", "first"],
        ["session", "second"],
    ]);
    assert.equal(window.location.hash, "");
});

test("a part of the page is no token: going there, or loading the page there, begins nothing", async () => {
    const window = makeWindow("#doors-title");
    const transport = await chooseTransport(window);
    transport.onChange(() => assert.fail("it takes the part for a token"));
    await transport.begin();
    window.follow("#doors-title");
    assert.deepEqual(window.asked, []);
    assert.equal(window.location.hash, "#doors-title");
});
