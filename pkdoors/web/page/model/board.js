/**
 * All that the daemon has said so far, and what follows from it now. Pure: `now` is in seconds on a
 * clock that nobody sets.
 * @module
 */

import { keyOf } from "./openings.js";

/** Seconds by which an answer may be later than another one. */
const JITTER = 0.5;

/**
 * @typedef {object} Entry an opening on the page
 * @property {string} key
 * @property {object} opening as the daemon has sent it
 * @property {number} deadline on our clock
 * @property {number} full the seconds that it had when it was opened or last extended, if known
 */

export class Board {
    constructor() {
        /** The last status; null before the first. */
        this.status = null;
        /** @type {Entry[]} a page of openings, sorted by deadline */
        this.entries = [];
        this._asked = 0;
        this._known = new Map();
    }

    /**
     * Take in a new status.
     * @param {object} status the answer to GET /status
     * @param {number} now when it was asked for: an answer is always older than it seems
     */
    learn(status, now) {
        const usual = new Map(status.doors.map((door) => [door.name, door.open_for]));
        const known = this._known;
        this.status = status;
        this._asked = now;
        // A long answer is not the state of one moment: an opening may be in it twice.
        const openings = new Map(status.openings.map((opening) => [keyOf(opening), opening]));
        this.entries = [...openings].map(([key, opening]) => {
            const before = known.get(key);
            const deadline = findDeadline(before, now + opening.seconds_left);
            const full = fullTime(before, opening, deadline, usual.get(opening.door) ?? 0);
            return { key, opening, deadline, full };
        });
        this._known = new Map(this.entries.map((entry) => [entry.key, entry]));
    }

    /**
     * Return the seconds since the daemon's start.
     * @param {number} now
     */
    uptime(now) {
        return this.status.uptime + now - this._asked;
    }

    /** Return the number of openings on all pages that were asked for. */
    total() {
        return this.status?.total ?? this.entries.length;
    }

    /**
     * Return a door; undefined if the daemon has none of that name.
     * @param {string} name
     */
    door(name) {
        return this.status?.doors.find((door) => door.name === name);
    }
}

/** Return the deadline: the known one if they hardly differ, for it must not flicker. */
function findDeadline(known, deadline) {
    return known && Math.abs(known.deadline - deadline) < JITTER ? known.deadline : deadline;
}

/** Return the seconds that an opening had at first, or when it was last extended. */
function fullTime(known, opening, deadline, usual) {
    if (known === undefined) {
        return Math.max(usual, opening.seconds_left);
    }
    return deadline > known.deadline + 1 ? opening.seconds_left : known.full;
}
