/**
 * Lengths of time as pkdoors writes and reads them: 45s, 10m, 8h, 7d, 1h30m. Pure.
 * @module
 */

/** The longest time that pkdoors takes anywhere, in seconds. */
export const MAX_DURATION = 30 * 24 * 3600;

/** Milliseconds in each unit, the largest first. */
const UNITS = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
    ["ms", 1],
];

const PARTS = /^(?=.)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/;

/**
 * Return a length of time, to the millisecond: 1h30m.
 * @param {number} seconds
 */
export function formatDuration(seconds) {
    let left = Math.round(seconds * 1000);
    let text = "";
    for (const [unit, size] of UNITS) {
        const count = Math.floor(left / size);
        left -= count * size;
        text += count ? `${count}${unit}` : "";
    }
    return text || "0s";
}

/**
 * Return a length of time to the second: 4m12s.
 * @param {number} seconds
 */
export function formatLength(seconds) {
    return formatDuration(Math.max(0, Math.round(seconds)));
}

/**
 * Return a length of time with two units at most: 4m12s, 8h19m, 6d23h. It must not look longer than
 * it is, so a unit that has only begun does not count, except for the last second.
 * @param {number} seconds
 */
export function formatRough(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole === 0) {
        return seconds > 0 ? "1s" : "0s";
    }
    const step = whole >= 86_400 ? 3600 : whole >= 3600 ? 60 : 1;
    return formatDuration(whole - (whole % step));
}

/**
 * Return the seconds that a text means; NaN if it is not a time.
 * @param {string} text 45, 45s, 10m, 8h, 7d or 1h30m
 */
export function parseDuration(text) {
    const trimmed = text.trim();
    if (/^\d{1,9}$/.test(trimmed)) {
        return Number(trimmed);
    }
    const match = PARTS.exec(trimmed);
    if (!match) {
        return NaN;
    }
    const [days, hours, minutes, seconds] = match.slice(1).map((count) => Number(count ?? 0));
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}
