import assert from "node:assert/strict";
import { test } from "node:test";

import { describeTogether } from "../../../pkdoors/web/page/model/announcements.js";
import { Connection } from "../../../pkdoors/web/page/model/connection.js";
import { countSources, describeLock, listRemarks } from "../../../pkdoors/web/page/model/doors.js";
import { EventList, MAX_EVENTS } from "../../../pkdoors/web/page/model/eventlist.js";
import { describeEvent, isWanted, toneOf } from "../../../pkdoors/web/page/model/events.js";
import { sortFindings, splitRemedy, summarize } from "../../../pkdoors/web/page/model/findings.js";
import { listHostTroubles, toneOfHost } from "../../../pkdoors/web/page/model/hosts.js";
import {
    describeClosed,
    describeState,
    describeWho,
    matchesWords,
    splitWords,
} from "../../../pkdoors/web/page/model/openings.js";
import { Failure } from "../../../pkdoors/web/page/transport/failure.js";
import { KEY, makeDoor, makeEvent, makeOpening } from "./fakes/records.js";

test("doors", () => {
    assert.equal(describeLock(makeDoor({ fleet: true })), "sealed, fleet");
    assert.equal(describeLock(makeDoor({ listens: false })), "sealed, fleet only");
    assert.equal(countSources(makeDoor()), "nobody");
    assert.equal(countSources(makeDoor({ openings: 4, networks: 1 })), "3 addresses, 1 network");
    assert.deepEqual(listRemarks(makeDoor()), []);
    const about = { uses: "once", trusted: ["wg0"], openings: 5, max_openings: 5, sources: 1 };
    assert.deepEqual(listRemarks(makeDoor(about)), [
        "for one connection",
        "no knock needed from wg0",
        "full: 5 openings are the most",
        "1 knock heard moments ago",
    ]);
    const plain = makeDoor({ lock: "sequence", sources: 2 });
    assert.deepEqual(listRemarks(plain), ["2 clients heard moments ago"]);
});

test("openings", () => {
    assert.equal(describeWho(makeOpening()), "anna@laptop");
    assert.equal(describeWho(makeOpening({ user: "" })), "SHA256:uJ8kq0Yx...");
    const relayed = makeOpening({ asked_from: "192.0.2.1", via: "gate2" });
    assert.equal(describeWho(relayed), "anna@laptop from 192.0.2.1 via gate2");
    assert.equal(describeWho(makeOpening({ user: "", key: "" })), "");
    assert.equal(describeState(makeOpening()), "");
    assert.equal(describeState(makeOpening({ uses: "once" })), "for one connection");
    assert.equal(describeState(makeOpening({ uses: "once", used: true })), "used");
    assert.equal(
        describeState(makeOpening({ open: false, trouble: "refused" })),
        "not open: refused",
    );
});

test("a filter finds all of its words, anywhere", () => {
    const opening = makeOpening({ source: "2001:db8::7" });
    for (const text of ["", "ANNA", "db8:: ssh", "uj8kq0", "laptop   anna"]) {
        assert.ok(matchesWords(opening, splitWords(text)), text);
    }
    assert.ok(!matchesWords(opening, splitWords("anna web")));
});

test("what is closed, what follows, and what is refused", () => {
    const following = { ...makeOpening({ source: "192.0.2.8" }), shut: true };
    const refused = { ...makeOpening({ source: "192.0.2.9", trouble: "no" }), shut: false };
    const answer = { closed: [makeOpening()], closing: [refused, following], others: ["also so"] };
    const { done, refused: faults } = describeClosed(answer);
    assert.equal(done[0], "closed door ssh for 192.0.2.7");
    assert.match(done[1], /^closed door ssh for 192\.0\.2\.8: nobody comes in any more/);
    assert.equal(done[2], "also so");
    assert.match(
        faults.join(),
        /^door ssh is still closing for 192\.0\.2\.9: no: the daemon keeps trying/,
    );
});

test("events: words, tone and filter", () => {
    const event = makeEvent({ user: "anna", key: KEY });
    assert.equal(describeEvent(event), "opened ssh for 192.0.2.7, 30s, anna");
    const refused = makeEvent({ event: "refused", seconds: 0, reason: "the seal is too old" });
    assert.equal(describeEvent(refused), "refused ssh for 192.0.2.7, the seal is too old");
    const closed = makeEvent({ event: "closed", user: "anna", reason: "at the request of anna" });
    assert.equal(describeEvent(closed), "closed ssh for 192.0.2.7, at the request of anna");
    const asked = makeEvent({ ...closed, reason: "at the request of anna (SHA256:7)" });
    assert.equal(describeEvent(asked), "closed ssh for 192.0.2.7, at the request of anna (SHA256:7)");
    const other = makeEvent({ ...closed, reason: "at the request of anna b (SHA256:7)" });
    assert.match(describeEvent(other), /anna b \(SHA256:7\), anna$/);
    assert.deepEqual([event, refused].map(toneOf), ["good", "warning"]);
    const nothing = { door: "", group: "", words: [] };
    assert.ok(isWanted(refused, nothing));
    assert.ok(!isWanted(refused, { ...nothing, door: "web" }));
    assert.ok(isWanted(refused, { ...nothing, group: "refusals", words: ["seal", "old"] }));
    assert.ok(!isWanted(refused, { ...nothing, group: "openings" }));
    assert.ok(!isWanted(refused, { ...nothing, words: ["anna"] }));
});

test("the last events, and the gap where some are missing", () => {
    const events = new EventList();
    const add = (kind, data) => events.add({ kind, data: JSON.stringify(data) }, Date.now());
    add("opened", makeEvent());
    add("missed", { count: 3 });
    add("missed", { count: null });
    const texts = events.entries.map(({ event }) => describeEvent(event));
    assert.match(texts[0], /^missed the daemon was started again/);
    assert.match(texts[1], /^missed 3 events before this are missing/);
    assert.match(texts[2], /^opened /);
    for (let number = 0; number < MAX_EVENTS; number += 1) {
        add("opened", makeEvent());
    }
    assert.equal(events.entries.length, MAX_EVENTS);
    assert.equal(new Set(events.entries.map(({ key }) => key)).size, MAX_EVENTS);
});

test("a few events are read one by one, and many are counted", () => {
    const event = makeEvent();
    const refused = makeEvent({ event: "refused", reason: "too old" });
    assert.equal(describeTogether([event]), describeEvent(event));
    const many = [event, ...Array(1200).fill(refused), makeEvent({ event: "healed" })];
    assert.equal(
        describeTogether(many),
        "1 opening began, 1,200 knocks were refused, 1 other event",
    );
});

test("findings", () => {
    const findings = ["OK", "WARNING", "ERROR", "WARNING"].map((level) => ({ level }));
    assert.deepEqual(
        sortFindings(findings).map(({ level }) => level),
        ["ERROR", "WARNING", "WARNING", "OK"],
    );
    assert.equal(summarize(findings), "1 error, 2 warnings");
    assert.equal(summarize([{ level: "OK" }]), "all is well");
    assert.deepEqual(splitRemedy("run `a` or\n`b\nc\nd`, then\n`e`"), [
        "run `a` or",
        "`b`",
        "`c`",
        "`d`, then",
        "`e`",
    ]);
    assert.deepEqual(splitRemedy("a ` b\nc"), ["a ` b", "c"]);
});

test("hosts of a fleet", () => {
    const host = {
        host: "gate2",
        up: true,
        troubles: [],
        openings: 3,
        seconds_behind: 0,
        clock_ahead: 0,
    };
    assert.equal(toneOfHost(host), "good");
    const late = { ...host, clock_ahead: -9, dropped: 1, not_reading: ["a", "b", "c", "d"] };
    assert.deepEqual(listHostTroubles(late), [
        "it does not read the streams of a, b, c and 1 more: knocks at a, b, c and 1 more open nothing here",
        "it could not pass on 1 knock since its start: too many waited for the engine",
        "its clock is 9s or more behind the engine's",
    ]);
    assert.equal(toneOfHost(late), "warning");
    const down = { ...host, up: false };
    assert.equal(toneOfHost(down), "bad");
    assert.match(listHostTroubles(down)[0], /^gate2 does not report: it is down/);
});

test("the connection: live, deaf, blind since a moment, and without a session", () => {
    const start = new Date(2026, 10, 23, 12, 3, 7).getTime();
    const connection = new Connection(start - 9000);
    assert.equal(connection.state, "connecting");
    connection.answered(start);
    assert.equal(connection.describe(start), "live");
    connection.hearing("no stream");
    assert.equal(connection.state, "deaf");
    assert.equal(connection.reason, "no stream");
    connection.hearing("");
    connection.failed(new Failure("it is down"), start + 4000);
    assert.equal(connection.state, "blind");
    assert.equal(connection.describe(start + 1000), "no connection since 12:03:07");
    assert.equal(connection.describeRetry(start + 1000), "trying again in 3s");
    assert.equal(connection.describeRetry(start + 4000), "trying again");
    assert.equal(connection.reason, "it is down");
    connection.failed(new Failure("no session", { isOver: true }), Infinity);
    assert.equal(connection.describe(start + 1000), "no session since 12:03:07");
    assert.equal(connection.describeRetry(start + 1000), "");
    assert.ok(connection.canRetry);
    connection.answered(start + 5000);
    assert.equal(connection.describe(start + 5000), "live");
});

test("a page that has never seen the daemon does not say since when it is blind", () => {
    const connection = new Connection(0);
    connection.failed(new Failure("it is down"), 4000);
    assert.equal(connection.describe(1000), "no connection");
});
