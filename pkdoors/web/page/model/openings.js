/**
 * What the page says of openings, in the words of pkdoors' own commands. Pure.
 * @module
 */

import { formatPorts } from "./doors.js";
import { formatLength } from "./durations.js";
import { clean, shorten } from "./text.js";
import { formatClock } from "./times.js";

const LONGER = "it was open for longer already; to shorten that, close it, then open it again";
const FOLLOWING = "nobody comes in any more, and firewalld follows";
const TRYING = "the daemon keeps trying, and the kernel closes it at its deadline in any case";
const SHUT = "nobody comes in any more, the guard has closed it, and the daemon keeps trying";

/**
 * Return the key of an opening: no other one has it.
 * @param {{door: string, source: string}} opening
 */
export function keyOf(opening) {
    return `${opening.door} ${opening.source}`;
}

/**
 * Return the shortest name of the client that earned an opening, or an event's; empty if unknown.
 * @param {{user: string, key: string, asked_from?: string, via?: string}} record
 */
export function describeWho(record) {
    const name = record.user || shorten(record.key);
    const origin = record.asked_from ? ` from ${record.asked_from}` : "";
    return clean(`${name}${origin}${record.via ? ` via ${record.via}` : ""}`).trim();
}

/**
 * Return what an opening is like, beside the time that is left; often nothing.
 * @param {{uses?: string, used?: boolean, trouble: string, open: boolean}} opening
 */
export function describeState(opening) {
    if (opening.trouble) {
        return `${opening.open ? "" : "not open: "}${clean(opening.trouble)}`;
    }
    if (opening.used) {
        return "used";
    }
    return opening.uses === "once" ? "for one connection" : "";
}

/**
 * Return the sentence for an opening that the operator made.
 * @param {object} opening the daemon's answer
 * @param {number} asked seconds; 0 for the door's own time
 * @param {number} now
 */
export function describeOpened(opening, asked, now) {
    const until = formatClock(new Date(Date.parse(opening.until)), now);
    const left = formatLength(opening.seconds_left);
    const once = opening.uses === "once" ? ", for one connection" : "";
    const line =
        `door ${opening.door} (${formatPorts(opening.ports)}) is open for ${opening.source} ` +
        `until ${until} (${left})${once}`;
    const isLonger = asked > 0 && Math.round(opening.seconds_left) > Math.round(asked);
    return isLonger ? `${line}: ${LONGER}` : line;
}

/**
 * Return the sentences for the answer to a request to close.
 * @param {{closed: object[], closing: object[], others?: string[]}} answer
 * @returns {{done: string[], refused: string[]}}
 */
export function describeClosed(answer) {
    const done = answer.closed.map((each) => `closed door ${each.door} for ${each.source}`);
    const refused = [];
    for (const each of answer.closing) {
        if (each.shut && !each.trouble) {
            done.push(`closed door ${each.door} for ${each.source}: ${FOLLOWING}`);
        } else {
            const trouble = each.trouble ? `${clean(each.trouble)}: ` : "";
            const rest = each.shut ? SHUT : TRYING;
            refused.push(
                `door ${each.door} is still closing for ${each.source}: ${trouble}${rest}`,
            );
        }
    }
    return { done: [...done, ...(answer.others ?? []).map(clean)], refused };
}

/**
 * Return whether an opening has all words of a filter somewhere.
 * @param {object} opening
 * @param {string[]} words in lower case
 */
export function matchesWords(opening, words) {
    if (!words.length) {
        return true;
    }
    const { door, source, user, key, asked_from: from, via, trouble } = opening;
    const text = `${door} ${source} ${user} ${key} ${from ?? ""} ${via ?? ""} ${trouble}`;
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
}

/**
 * Return the words of a filter.
 * @param {string} text
 */
export function splitWords(text) {
    return text.toLowerCase().split(/\s+/).filter(Boolean);
}
