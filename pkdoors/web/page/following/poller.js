/**
 * Asks for one thing again and again, never twice at a time.
 * @module
 */

import { asFailure } from "../transport/failure.js";
import { Backoff } from "./backoff.js";

export class Poller {
    /**
     * @param {import("./timers.js").Timers} timers
     * @param {object} work
     * @param {() => Promise<unknown>} work.ask
     * @param {(answer: unknown, asked: number) => void} work.onAnswer asked: when, by `timers.now`
     * @param {(failure: import("../transport/failure.js").Failure, pause: number) => void}
     *     work.onFailure pause: milliseconds until the next try
     * @param {() => number} work.choosePause milliseconds until the next request
     * @param {() => number} [work.chooseGap] milliseconds between requests that are wanted soon
     */
    constructor(timers, work) {
        this._timers = timers;
        this._work = { chooseGap: () => 0, ...work };
        this._backoff = new Backoff();
        this._cancel = () => {};
        this._isAsking = false;
        this._isWanted = false;
        this._lastAsked = -Infinity;
    }

    /** Ask now, whatever was to happen later; if an answer is still to come, after it. */
    askNow() {
        this._cancel();
        if (this._isAsking) {
            this._isWanted = true;
            return;
        }
        void this._ask();
    }

    /** Ask soon: what the last answer said has changed. Many calls are one request. */
    askSoon() {
        if (this._isAsking) {
            this._isWanted = true;
            return;
        }
        const gap = this._lastAsked + this._work.chooseGap() - this._timers.now();
        this._schedule(Math.max(0, gap));
    }

    async _ask() {
        const asked = this._timers.now();
        this._isAsking = true;
        this._isWanted = false;
        this._lastAsked = asked;
        let pause;
        try {
            const answer = await this._work.ask();
            this._backoff.reset();
            this._work.onAnswer(answer, asked);
            pause = this._isWanted ? this._work.chooseGap() : this._work.choosePause();
        } catch (error) {
            const failure = asFailure(error);
            pause = failure.isOver ? Infinity : this._backoff.next();
            this._work.onFailure(failure, pause);
        }
        this._isAsking = false;
        if (pause < Infinity) {
            this._schedule(pause);
        }
    }

    _schedule(pause) {
        this._cancel();
        this._cancel = this._timers.after(pause, () => void this._ask());
    }
}
