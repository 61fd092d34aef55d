/**
 * What the page says of the hosts of a fleet, in the words of `pkdoors fleet status`. Pure.
 * @module
 */

import { formatLength } from "./durations.js";
import { clean, countOf, formatCount } from "./text.js";

/** Seconds that a host's clock may differ from the engine's. */
const CLOCK = 5;
/** Hosts that are named. */
const MAX_NAMED = 3;
/** Troubles of a host that are shown. */
const MAX_TROUBLES = 5;

/**
 * Return how a host is: up, down, or unreadable.
 * @param {{up: boolean, troubles: string[]}} host
 */
export function describeHostState(host) {
    if (host.up) {
        return "up";
    }
    return host.troubles.length ? "unreadable" : "down";
}

/**
 * Return what a host looks like: good, warning or bad.
 * @param {object} host
 */
export function toneOfHost(host) {
    if (!host.up) {
        return "bad";
    }
    return listHostTroubles(host).length || host.seconds_behind ? "warning" : "good";
}

/**
 * Return what is wrong with a host, a sentence each.
 * @param {object} host
 */
export function listHostTroubles(host) {
    const troubles = host.troubles.slice(0, MAX_TROUBLES).map(clean);
    const name = clean(host.host);
    if (!host.up) {
        const down = "it is down, or its fleet process is, or it cannot reach the engine";
        return troubles.length ? troubles : [`${name} does not report: ${down}`];
    }
    if (host.not_reading?.length) {
        const named = nameHosts(host.not_reading);
        troubles.push(
            `it does not read the streams of ${named}: knocks at ${named} open nothing here`,
        );
    }
    if (host.dropped) {
        const knocks = countOf(host.dropped, "knock");
        troubles.push(
            `it could not pass on ${knocks} since its start: too many waited for the engine`,
        );
    }
    if (Math.abs(host.clock_ahead ?? 0) > CLOCK) {
        const side = host.clock_ahead > 0 ? "ahead of" : "behind";
        const length = formatLength(Math.abs(host.clock_ahead));
        troubles.push(`its clock is ${length} or more ${side} the engine's`);
    }
    return troubles;
}

/**
 * Return the names of a few hosts, and how many more there are.
 * @param {string[]} hosts
 */
export function nameHosts(hosts) {
    const named = hosts.slice(0, MAX_NAMED).map(clean).join(", ");
    const more = hosts.length - MAX_NAMED;
    return more > 0 ? `${named} and ${formatCount(more)} more` : named;
}
