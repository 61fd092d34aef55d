/**
 * For how long an operator can open a door: the choices of a menu. Pure.
 * @module
 */

import { formatDuration, formatLength, parseDuration } from "./durations.js";

/** Seconds that the menu offers, if the door allows them. */
const STEPS = [60, 300, 900, 1800, 3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 24 * 3600];

/** The value of the choice for a time that the menu does not have. */
export const ANOTHER = "another";

/**
 * Return the choices for a door, its own time first.
 * @param {{open_for: number, max_open_for: number}} door
 * @param {number} [left] seconds that it is open anyway; choices that are not longer are useless
 * @returns {{value: string, text: string, isUseful: boolean}[]}
 *     value: seconds, "" for the door's own time, or ANOTHER
 */
export function listTimes(door, left = 0) {
    const own = door.open_for;
    const most = door.max_open_for;
    const steps = STEPS.filter((step) => step < most && step !== own);
    if (most !== own) {
        steps.push(most);
    }
    const longest = (step) => (step === most ? ", the most that the door allows" : "");
    return [
        { value: "", text: `${formatDuration(own)}, as a knock gets`, isUseful: own > left },
        ...steps.map((step) => ({
            value: String(step),
            text: `${formatDuration(step)}${longest(step)}`,
            isUseful: step > left,
        })),
        { value: ANOTHER, text: "another time", isUseful: most > left },
    ];
}

/**
 * Return the seconds that the operator wants: 0 for the door's own time.
 * @param {string} value the value of a choice
 * @param {string} text the text beside ANOTHER
 * @param {{name: string, max_open_for: number}} door
 * @returns {{seconds: number, fault: string}} fault: what is wrong, or ""
 */
export function readTime(value, text, door) {
    if (value !== ANOTHER) {
        return { seconds: Number(value), fault: "" };
    }
    const seconds = parseDuration(text);
    if (text.trim() === "" || Number.isNaN(seconds) || seconds < 1) {
        const wrong = text.trim() === "" ? "the time is missing" : `"${text}" is not a time`;
        return { seconds: 0, fault: `${wrong}: write it like 45s, 10m, 8h, 7d or 1h30m` };
    }
    if (seconds > door.max_open_for) {
        const [much, most] = [seconds, door.max_open_for].map(formatLength);
        const fault = `${much} is too long: door ${door.name} opens for ${most} at most`;
        return { seconds: 0, fault };
    }
    return { seconds, fault: "" };
}
