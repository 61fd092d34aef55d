/**
 * Counts the seconds of the page, with one timer for all that counts.
 * @module
 */

/** Milliseconds that two clocks may differ after a second; if it is more, the computer slept. */
const SLEPT = 5000;

/**
 * Count from now on.
 * @param {import("./timers.js").Timers} timers
 * @param {{tick: () => void, wake: () => void}} work wake: called after the computer has slept, when
 *     nothing that was counted is true any longer
 */
export function countSeconds(timers, work) {
    let ahead = timers.wall() - timers.now();
    const count = () => {
        const difference = timers.wall() - timers.now();
        if (Math.abs(difference - ahead) > SLEPT) {
            work.wake();
        }
        ahead = difference;
        work.tick();
        timers.after(1000 - (timers.now() % 1000), count);
    };
    count();
}
