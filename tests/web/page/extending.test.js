import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../../pkdoors/web/page/view/announcer.js";
import { ExtendDialog } from "../../../pkdoors/web/page/view/extenddialog.js";
import { Notice } from "../../../pkdoors/web/page/view/notice.js";
import { Failure } from "../../../pkdoors/web/page/transport/failure.js";
import { FakeDocument } from "./fakes/elements.js";
import { makeDoor, makeOpening } from "./fakes/records.js";
import { FakeTimers, settle } from "./fakes/timers.js";

/** The dialog, for two openings; the daemon answers when the test says so. */
class Extending {
    constructor() {
        this.document = globalThis.document = new FakeDocument();
        this.asked = [];
        const timers = new FakeTimers();
        const announcer = new Announcer(this.find("announcements"), this.find("alarms"), timers);
        this.dialog = new ExtendDialog({
            timers,
            announcer,
            board: { door: () => makeDoor() },
            refresh: () => {},
            ask: (method, path, wanted) =>
                new Promise((resolve, reject) => {
                    this.asked.push({ request: `${method} ${path}`, wanted, resolve, reject });
                }),
        });
        this.notice = new Notice(this.find("openings-notice"), timers, announcer);
        this.rows = ["192.0.2.7", "192.0.2.8"].map((source) => {
            const element = this.document.createElement();
            this.document.body.append(element);
            return { element, entry: { opening: makeOpening({ source }), deadline: 31 } };
        });
    }

    find(id) {
        return this.document.getElementById(id);
    }

    open(number) {
        this.dialog.open(this.rows[number], this.notice);
    }

    submit() {
        this.find("extend-form").dispatch("submit", { preventDefault: () => {} });
    }

    cancel() {
        this.find("extend-cancel").dispatch("click");
    }
}

test("the answer closes the dialog, and stands beside the openings", async () => {
    const extending = new Extending();
    extending.open(0);
    extending.submit();
    const [{ request, wanted, resolve }] = extending.asked;
    assert.deepEqual([request, wanted.source], ["POST /openings", "192.0.2.7"]);
    resolve({ opening: makeOpening() });
    await settle();
    assert.equal(extending.find("extend").open, false);
    assert.match(extending.find("openings-notice").textContent, /is open for 192.0.2.7 until/);
});

test("a refusal stands in the dialog, which stays", async () => {
    const extending = new Extending();
    extending.open(0);
    extending.submit();
    extending.asked[0].reject(new Failure("it is too long"));
    await settle();
    assert.equal(extending.find("extend").open, true);
    assert.equal(extending.find("extend-notice").textContent, "it is too long");
});

test("an answer that comes late does not touch the dialog of another opening", async () => {
    for (const isRefused of [false, true]) {
        const extending = new Extending();
        extending.open(0);
        extending.submit();
        extending.cancel();
        extending.open(1);
        const [{ resolve, reject }] = extending.asked;
        if (isRefused) {
            reject(new Failure("not for 192.0.2.7"));
        } else {
            resolve({ opening: makeOpening() });
        }
        await settle();
        assert.equal(extending.find("extend").open, true);
        assert.equal(extending.find("extend-notice").textContent, "");
        assert.match(extending.find("openings-notice").textContent, /for 192.0.2.7/);
        extending.submit();
        assert.equal(extending.asked[1].wanted.source, "192.0.2.8");
    }
});

test("a refusal that comes after Cancel stands beside the openings", async () => {
    const extending = new Extending();
    extending.open(0);
    extending.submit();
    extending.cancel();
    extending.asked[0].reject(new Failure("the firewall refuses"));
    await settle();
    assert.equal(extending.find("openings-notice").textContent, "the firewall refuses");
});
