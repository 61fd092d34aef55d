/**
 * Whether the page sees the daemon, in words. Pure: `now` is in milliseconds since 1970.
 * @module
 */

import { formatLength } from "./durations.js";
import { formatClock } from "./times.js";

/** States of the connection. */
export const CONNECTING = "connecting";
export const LIVE = "live";
/** Answers arrive, but no events. */
export const DEAF = "deaf";
export const BLIND = "blind";
/** The session has ended: only a new link helps. */
export const ENDED = "ended";

export class Connection {
    /**
     * @param {number} now
     */
    constructor(now) {
        this._seen = now;
        this._wasSeen = false;
        this._failure = null;
        this._deafness = "";
        this._retryAt = 0;
    }

    /** Note that an answer arrived. */
    answered(now) {
        this._seen = now;
        this._wasSeen = true;
        this._failure = null;
    }

    /**
     * Note that a request failed.
     * @param {{sentence: string, isOver: boolean}} failure isOver: nothing helps but a new session
     * @param {number} retryAt when the page asks again
     */
    failed(failure, retryAt) {
        this._failure = failure;
        this._retryAt = retryAt;
    }

    /**
     * Note why no events arrive; "" if they do.
     * @param {string} sentence
     */
    hearing(sentence) {
        this._deafness = sentence;
    }

    get state() {
        if (this._failure) {
            return this._failure.isOver ? ENDED : BLIND;
        }
        if (!this._wasSeen) {
            return CONNECTING;
        }
        return this._deafness ? DEAF : LIVE;
    }

    /** Whether it is worth trying again at once. */
    get canRetry() {
        return this.state === BLIND || this.state === ENDED;
    }

    /** The reason, a sentence; "" if all is well. */
    get reason() {
        return this._failure?.sentence ?? this._deafness;
    }

    /**
     * Return the state in words.
     * @param {number} now
     */
    describe(now) {
        const since = formatClock(new Date(this._seen), now);
        switch (this.state) {
            case LIVE:
                return "live";
            case CONNECTING:
                return "connecting";
            case DEAF:
                return "live, but no events arrive";
            case ENDED:
                return this._wasSeen ? `no session since ${since}` : "no session";
            default:
                return this._wasSeen ? `no connection since ${since}` : "no connection";
        }
    }

    /**
     * Return when the page tries again; "" if it does not.
     * @param {number} now
     */
    describeRetry(now) {
        if (this.state !== BLIND) {
            return "";
        }
        const left = Math.ceil((this._retryAt - now) / 1000);
        return left > 0 ? `trying again in ${formatLength(left)}` : "trying again";
    }
}
