/**
 * The clocks of the browser, in one place: tests have others.
 * @module
 */

/**
 * @typedef {object} Timers
 * @property {() => number} now milliseconds on a clock that nobody sets
 * @property {() => number} wall milliseconds since 1970
 * @property {(milliseconds: number, f: () => void) => () => void} after calls f later, and returns
 *     what cancels that
 */

/** @type {Timers} */
export const browserTimers = {
    now: () => performance.now(),
    wall: () => Date.now(),
    after: (milliseconds, f) => {
        const timer = setTimeout(f, milliseconds);
        return () => clearTimeout(timer);
    },
};
