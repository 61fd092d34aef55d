/**
 * Follows the daemon's events, and goes on where it was when the daemon comes back.
 * @module
 */

import { EventReader } from "../model/sse.js";
import { asFailure } from "../transport/failure.js";
import { Backoff } from "./backoff.js";

/** Events from before the page was opened that it asks for. */
export const LAST = 200;

/** The kind of the last words of `pkdoors web`, if it cannot reach the daemon any longer. */
const ENDED = "ended";

export class Listener {
    /**
     * @param {import("./timers.js").Timers} timers
     * @param {{follow: Function}} transport
     * @param {object} work
     * @param {() => void} work.onBegun called when the daemon lets the page follow
     * @param {(event: {kind: string, data: string}) => void} work.onEvent
     * @param {(sentence: string) => void} work.onEnd called with the reason if nothing arrives
     */
    constructor(timers, transport, work) {
        this._timers = timers;
        this._transport = transport;
        this._work = work;
        this._backoff = new Backoff();
        this._cancel = () => {};
        this._isFollowing = false;
        this._knowsLast = true;
        /** The id of the last event, for the daemon to continue there; "" if it gives none. */
        this.lastId = "";
    }

    /** Follow now, unless the page does; whatever was to happen later. */
    followNow() {
        this._cancel();
        if (!this._isFollowing) {
            void this._follow();
        }
    }

    async _follow() {
        this._isFollowing = true;
        this._reason = "the daemon has ended the stream of events";
        const failure = await this._read().then(() => null, asFailure);
        this._isFollowing = false;
        if (this._knowsLast && failure?.status === 400) {
            this._knowsLast = false; // a daemon of an earlier version: it has no such argument
            this.followNow();
            return;
        }
        this._work.onEnd(failure?.sentence ?? this._reason);
        if (!failure?.isOver) {
            this._cancel = this._timers.after(this._backoff.next(), () => this.followNow());
        }
    }

    async _read() {
        const reader = new EventReader((event) => this._take(event));
        let hasBegun = false;
        await this._transport.follow(this._path(), (text) => {
            reader.add(text);
            this.lastId = reader.lastId || this.lastId;
            if (!hasBegun) {
                hasBegun = true;
                this._backoff.reset();
                this._work.onBegun();
            }
        });
    }

    _take(event) {
        if (event.kind === ENDED) {
            this._reason = JSON.parse(event.data).error;
        } else {
            this._work.onEvent(event);
        }
    }

    _path() {
        if (!this._knowsLast) {
            return "/events";
        }
        const wanted = this.lastId ? { after: this.lastId } : { last: String(LAST) };
        return `/events?${new URLSearchParams(wanted)}`;
    }
}
