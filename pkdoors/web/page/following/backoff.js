/**
 * How long to wait before the next try. Pure.
 * @module
 */

/** Milliseconds before the second try. */
const FIRST = 1000;
/** Milliseconds at most: an operator who starts the daemon again looks at the page. */
const MOST = 8000;

export class Backoff {
    constructor() {
        this.reset();
    }

    /** Begin again: a try was successful. */
    reset() {
        this._next = FIRST;
    }

    /** Return the milliseconds before the next try. */
    next() {
        const pause = this._next;
        this._next = Math.min(MOST, 2 * pause);
        return pause;
    }
}
