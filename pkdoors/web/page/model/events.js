/**
 * What the page says of events, in the words of `pkdoors watch`. Pure.
 * @module
 */

import { formatDuration } from "./durations.js";
import { describeWho, matchesWords } from "./openings.js";
import { clean, shorten } from "./text.js";

const OPENINGS = ["opened", "extended", "taken-over"];
const ENDS = ["closed", "used", "unopened", "shortened"];
const REFUSALS = ["refused", "unfinished", "guessing", "order-refused"];
const ERRORS = ["open-failed", "close-failed", "heal-failed", "reload-refused"];

/** What each kind of event looks like: good, dim, warning or bad; the others are plain. */
const TONES = new Map([
    ...OPENINGS.map((kind) => [kind, "good"]),
    ...["closed", "used"].map((kind) => [kind, "dim"]),
    ...["refused", "healed", "guessing", "order-refused"].map((kind) => [kind, "warning"]),
    ...ERRORS.map((kind) => [kind, "bad"]),
]);

/** The groups of events that the operator can choose. */
export const GROUPS = new Map([
    ["openings", { text: "openings and their ends", kinds: new Set([...OPENINGS, ...ENDS]) }],
    ["refusals", { text: "refused and unfinished knocks", kinds: new Set(REFUSALS) }],
    ["troubles", { text: "troubles", kinds: new Set([...ERRORS, "guessing", "healed"]) }],
]);

/** Events after which the list of openings is another one. */
export const CHANGES = new Set([
    ...OPENINGS,
    ...ENDS,
    ...ERRORS,
    "guarding",
    "stopped",
    "reloaded",
    "healed",
]);

/**
 * @typedef {object} Event an event of `GET /events`; docs/admin.md
 * @property {string} time
 * @property {string} event
 * @property {string} door
 * @property {string} source
 * @property {number} seconds
 * @property {string} reason
 * @property {string} text
 */

/**
 * Return what an event looks like.
 * @param {Event} event
 */
export function toneOf(event) {
    return TONES.get(event.event) ?? "";
}

/**
 * Return what happened, beside the kind of the event, its door and its source.
 * @param {Event} event
 */
export function describeDetails(event) {
    if (!event.door && !event.reason) {
        return clean(event.text);
    }
    const isOpening = OPENINGS.includes(event.event);
    const seconds = isOpening ? formatDuration(Math.round(event.seconds)) : "";
    const [reason, who] = [clean(event.reason), describeWho(event)];
    // The reason says who it was: its end, or a key in brackets follows.
    const isNamed = who !== "" && `${reason} (`.includes(` of ${who} (`);
    const parts = [seconds, reason, isNamed ? "" : who];
    return shorten(parts.filter(Boolean).join(", "));
}

/**
 * Return one line for an event, as the page reads it aloud: opened ssh for 192.0.2.7, 30s, anna.
 * @param {Event} event
 */
export function describeEvent(event) {
    const subject = event.source ? `${event.door} for ${event.source}` : event.door;
    const parts = [clean(subject), describeDetails(event)];
    return `${event.event} ${parts.filter(Boolean).join(", ")}`;
}

/**
 * Return whether an operator wants to see an event.
 * @param {Event} event
 * @param {{door: string, group: string, words: string[]}} filter empty: all
 */
export function isWanted(event, filter) {
    if (filter.door && event.door !== filter.door) {
        return false;
    }
    const group = GROUPS.get(filter.group);
    if (group && !group.kinds.has(event.event)) {
        return false;
    }
    const trouble = `${event.event} ${event.reason} ${event.text}`;
    return matchesWords({ ...event, trouble }, filter.words);
}
