/**
 * The last events, the newest first. Pure.
 * @module
 */

import { countOf } from "./text.js";

/** Events that the page remembers. */
export const MAX_EVENTS = 500;

/** What comes in place of events that the daemon no longer has. */
const MISSED = "missed";

export class EventList {
    constructor() {
        /** @type {{key: string, event: object}[]} */
        this.entries = [];
        this._next = 1;
    }

    /**
     * Take in an event.
     * @param {{kind: string, data: string}} sent
     * @param {number} now milliseconds since 1970
     * @returns {object} the event
     */
    add(sent, now) {
        const data = JSON.parse(sent.data);
        const event = sent.kind === MISSED ? makeGap(data.count, now) : data;
        this.entries.unshift({ key: String(this._next), event });
        this._next += 1;
        this.entries.length = Math.min(this.entries.length, MAX_EVENTS);
        return event;
    }
}

/**
 * Return an event that says that some are missing.
 * @param {number | null} count how many; null if nobody knows
 */
function makeGap(count, now) {
    const text =
        count === null
            ? "the daemon was started again: events from before may be missing"
            : `${countOf(count, "event")} before this ${count === 1 ? "is" : "are"} missing: ` +
              "the daemon no longer keeps them";
    const time = new Date(now).toISOString();
    const rest = { door: "", source: "", ports: [], seconds: 0, user: "", key: "", reason: "" };
    return { time, event: MISSED, text, ...rest };
}
