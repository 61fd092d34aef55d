/**
 * What a screen reader says of events: not one sentence for each, if there are many. Pure.
 * @module
 */

import { describeEvent } from "./events.js";
import { countOf } from "./text.js";

/** Events that get a sentence each; more are counted. */
const MAX_SENTENCES = 3;

/** Kinds in the order of what an operator wants to hear first, and how many of them are counted. */
const COUNTED = new Map([
    ["opened", (count) => `${countOf(count, "opening")} began`],
    ["extended", (count) => `${countOf(count, "opening")} ${were(count)} extended`],
    ["closed", (count) => `${countOf(count, "opening")} ended`],
    ["refused", (count) => `${countOf(count, "knock")} ${were(count)} refused`],
    ["unfinished", (count) => `${countOf(count, "knock")} ${were(count)} not finished`],
]);

const were = (count) => (count === 1 ? "was" : "were");

/**
 * Return one text for the events of a few seconds.
 * @param {object[]} events the oldest first
 */
export function describeTogether(events) {
    if (events.length <= MAX_SENTENCES) {
        return events.map(describeEvent).join(". ");
    }
    const counts = new Map([...COUNTED.keys()].map((kind) => [kind, 0]));
    let others = 0;
    for (const { event: kind } of events) {
        if (counts.has(kind)) {
            counts.set(kind, counts.get(kind) + 1);
        } else {
            others += 1;
        }
    }
    const parts = [...counts]
        .filter(([, count]) => count)
        .map(([kind, count]) => COUNTED.get(kind)(count));
    return [...parts, ...(others ? [countOf(others, "other event")] : [])].join(", ");
}
