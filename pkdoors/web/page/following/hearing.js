/**
 * Takes in the events: into the list, to the ears of those who use a screen reader, and to the part
 * of the page that shows them.
 * @module
 */

/** Milliseconds in which earlier events arrive: those are not read aloud. */
const PAST = 1000;
/** Milliseconds for which events wait, to be shown together. */
const TOGETHER = 50;

export class Hearing {
    /**
     * @param {import("./timers.js").Timers} timers
     * @param {import("../model/eventlist.js").EventList} events
     * @param {{say: (event: object) => void, show: () => void}} work say: called with each event that
     *     has just happened; show: called if there are others to show
     */
    constructor(timers, events, work) {
        this._timers = timers;
        this._events = events;
        this._work = work;
        this._loudFrom = Infinity;
        this._isWaiting = false;
    }

    /** Note that the page follows the events. */
    begin() {
        this._loudFrom = Math.min(this._loudFrom, this._timers.now() + PAST);
    }

    /**
     * Take in an event.
     * @param {{kind: string, data: string}} sent
     * @returns {object} the event
     */
    take(sent) {
        const event = this._events.add(sent, this._timers.wall());
        if (this._timers.now() >= this._loudFrom) {
            this._work.say(event);
        }
        if (!this._isWaiting) {
            this._isWaiting = true;
            this._timers.after(TOGETHER, () => this._show());
        }
        return event;
    }

    _show() {
        this._isWaiting = false;
        this._work.show();
    }
}
