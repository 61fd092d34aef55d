/**
 * Moments, on the clock of the browser. Pure: the present is an argument, in milliseconds since
 * 1970.
 * @module
 */

const two = (number) => String(number).padStart(2, "0");

/**
 * Return the date: 2026-11-23.
 * @param {Date} moment
 */
export function formatDate(moment) {
    return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/**
 * Return the time of day, 12:03:07; with its date unless that is today.
 * @param {Date} moment
 * @param {number} now
 */
export function formatClock(moment, now) {
    const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
    const date = formatDate(moment);
    return date === formatDate(new Date(now)) ? time : `${date} ${time}`;
}

/**
 * Return the date, the time and the time zone: 2026-11-23 12:03:07 UTC+01:00.
 * @param {Date} moment
 */
export function formatMoment(moment) {
    const ahead = -moment.getTimezoneOffset();
    const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
    const zone = ahead === 0 ? "UTC" : `UTC${ahead < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
    return `${formatDate(moment)} ${formatClock(moment, moment.getTime())} ${zone}`;
}

/**
 * Return how long ago a moment was: 12s ago, 5m ago. Clocks differ, so the future is now.
 * @param {Date} moment
 * @param {number} now
 */
export function formatAgo(moment, now) {
    const seconds = Math.floor((now - moment.getTime()) / 1000);
    if (seconds < 5) {
        return "now";
    }
    if (seconds < 60) {
        return `${seconds - (seconds % 5)}s ago`;
    }
    if (seconds < 3600) {
        return `${Math.floor(seconds / 60)}m ago`;
    }
    const hours = Math.floor(seconds / 3600);
    return hours < 48 ? `${hours}h ago` : `${Math.floor(hours / 24)}d ago`;
}
