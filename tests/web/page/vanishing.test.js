import assert from "node:assert/strict";
import { test } from "node:test";

import { Board } from "../../../pkdoors/web/page/model/board.js";
import { EventList } from "../../../pkdoors/web/page/model/eventlist.js";
import { Announcer } from "../../../pkdoors/web/page/view/announcer.js";
import { EventsView } from "../../../pkdoors/web/page/view/eventsview.js";
import { OpenForm } from "../../../pkdoors/web/page/view/openform.js";
import { FakeDocument } from "./fakes/elements.js";
import { makeDoor, makeEvent, makeStatus } from "./fakes/records.js";
import { FakeTimers } from "./fakes/timers.js";

/** A page that knows two doors, ssh and web. */
class Doors {
    constructor() {
        this.document = globalThis.document = new FakeDocument();
        const timers = new FakeTimers();
        const announcer = new Announcer(this.find("announcements"), this.find("alarms"), timers);
        this.context = { timers, announcer, board: new Board() };
        this.learn("ssh", "web");
    }

    find(id) {
        return this.document.getElementById(id);
    }

    /** Take in a status with these doors. */
    learn(...names) {
        const doors = names.map((name) => makeDoor({ name }));
        this.context.board.learn(makeStatus([], { doors }), 1);
    }
}

test("if the door to open is gone, the form says so, and which one it would open now", () => {
    const doors = new Doors();
    const form = new OpenForm(doors.context);
    form.update();
    const [menu, notice] = [doors.find("open-door"), doors.find("open-notice")];
    assert.deepEqual([menu.value, notice.textContent], ["ssh", ""]);
    menu.value = "web";
    form.update();
    assert.deepEqual([menu.value, notice.textContent], ["web", ""]);
    doors.learn("ssh");
    form.update();
    assert.equal(menu.value, "ssh");
    assert.equal(notice.textContent, "there is no door web any more: door ssh is chosen now");
    assert.equal(doors.find("alarms").textContent, notice.textContent);
});

test("if the door that events are filtered by is gone, the events of all doors are shown", () => {
    const doors = new Doors();
    const events = new EventList();
    for (const door of ["ssh", "web", "ssh"]) {
        events.add({ kind: "opened", data: JSON.stringify(makeEvent({ door })) }, 0);
    }
    const view = new EventsView(doors.context, events);
    view.offerDoors();
    const menu = doors.find("events-door");
    menu.value = "web";
    menu.dispatch("change");
    assert.equal(doors.find("event-rows").children.length, 1);
    view.offerDoors();
    assert.equal(doors.find("event-rows").children.length, 1);
    doors.learn("ssh");
    view.offerDoors();
    assert.equal(menu.value, "");
    assert.equal(doors.find("event-rows").children.length, 3);
});
