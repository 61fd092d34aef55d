/**
 * The last events, the newest first, and their filter.
 * @module
 */

import { GROUPS, describeDetails, isWanted, toneOf } from "../model/events.js";
import { splitWords } from "../model/openings.js";
import { clean, countOf } from "../model/text.js";
import { formatAgo, formatClock, formatMoment } from "../model/times.js";
import { find, make, makeCell, setChoices, setText, show } from "./elements.js";
import { KeyedList } from "./keyedlist.js";
import { Notice } from "./notice.js";

/** Events that are shown at first. */
const SOME = 50;

export class EventsView {
    /**
     * @param {import("../context.js").Context} context
     * @param {import("../model/eventlist.js").EventList} events
     */
    constructor(context, events) {
        this._context = context;
        this._events = events;
        this._most = SOME;
        this._notice = new Notice(find("events-notice"), context.timers, context.announcer);
        this._door = find("events-door");
        this._group = find("events-group");
        this._text = find("events-text");
        this._more = find("events-more");
        this._rows = new KeyedList(find("event-rows"), {
            keyOf: (entry) => entry.key,
            make: (entry) => makeRow(entry.event),
            update: () => {},
        });
        const groups = [...GROUPS].map(([value, { text }]) => ({ value, text }));
        setChoices(this._group, [{ value: "", text: "all events" }, ...groups]);
        for (const control of [this._door, this._group, this._text]) {
            // Some tools that fill in forms send only one of them.
            control.addEventListener("input", () => this._filter());
            control.addEventListener("change", () => this._filter());
        }
        this._more.addEventListener("click", () => this._showMore());
    }

    /** Offer the doors that the daemon has now. */
    offerDoors() {
        const { doors } = this._context.board.status;
        const names = doors.map(({ name }) => ({ value: name, text: name }));
        const chosen = this._door.value;
        setChoices(this._door, [{ value: "", text: "all doors" }, ...names]);
        if (this._door.value !== chosen) {
            this._filter(); // the door that was chosen is gone
        }
    }

    /** Show the events that there are now. */
    update() {
        const words = splitWords(this._text.value);
        const filter = { door: this._door.value, group: this._group.value, words };
        const wanted = this._events.entries.filter(({ event }) => isWanted(event, filter));
        this._rows.update(wanted.slice(0, this._most));
        const left = wanted.length - this._most;
        setText(this._more, `Show ${countOf(left, "earlier event")}`);
        show(this._more, left > 0);
        const areThere = this._events.entries.length > 0;
        setText(find("events-empty"), areThere ? "no event matches the filter" : "none yet");
        show(find("events-empty"), wanted.length === 0);
        this.tick();
    }

    /** Say how long ago the events were. */
    tick() {
        const now = this._context.timers.wall();
        for (const row of find("event-rows").children) {
            setText(row.agoElement, formatAgo(row.moment, now));
        }
    }

    /** Say what is wrong with the events; "" if nothing is. */
    explain(sentence) {
        if (sentence) {
            this._notice.note(sentence);
        } else {
            this._notice.clear();
        }
    }

    _filter() {
        this._most = SOME;
        this.update();
    }

    /** Show all, and put the focus on the first one that was not there: the button vanishes. */
    _showMore() {
        const first = find("event-rows").children.length;
        this._most = Infinity;
        this.update();
        const row = find("event-rows").children[first];
        row.tabIndex = -1;
        row.focus();
    }
}

function makeRow(event) {
    const moment = new Date(Date.parse(event.time));
    const time = make("time", { datetime: event.time, title: formatMoment(moment) });
    time.textContent = formatClock(moment, Date.now());
    const ago = make("small");
    const attributes = { role: "row", "data-event": event.event, "data-tone": toneOf(event) };
    const row = make(
        "tr",
        attributes,
        makeCell("time", "Time", time, ago),
        makeCell("kind", "Event", clean(event.event)),
        makeCell("door", "Door", clean(event.door)),
        makeCell("source", "Address", make("bdi", {}, clean(event.source))),
        makeCell("details", "Details", make("bdi", {}, describeDetails(event))),
    );
    return Object.assign(row, { moment, agoElement: ago });
}
