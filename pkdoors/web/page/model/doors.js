/**
 * What the page says of doors, in the words of `pkdoors status`. Pure.
 * @module
 */

import { formatLength } from "./durations.js";
import { clean, countOf, formatCount } from "./text.js";

/**
 * @typedef {object} Door what `GET /status` has of a door; docs/admin.md
 * @property {string} name
 * @property {string[]} ports
 * @property {string} lock
 * @property {number} open_for
 * @property {number} max_open_for
 * @property {number} openings
 */

/**
 * Return 22/tcp,53/udp.
 * @param {string[]} ports
 */
export function formatPorts(ports) {
    return ports.join(",") || "no ports";
}

/**
 * Return the lock of a door.
 * @param {Door} door
 */
export function describeLock(door) {
    if (door.listens === false) {
        return "sealed, fleet only";
    }
    return door.fleet ? `${door.lock}, fleet` : door.lock;
}

/**
 * Return whom a door is open for, in numbers.
 * @param {Door} door
 */
export function countSources(door) {
    const networks = door.networks ?? 0;
    const addresses = door.openings - networks;
    const parts = [];
    if (addresses > 0) {
        parts.push(countOf(addresses, "address", "es"));
    }
    if (networks > 0) {
        parts.push(countOf(networks, "network"));
    }
    return parts.join(", ") || "nobody";
}

/**
 * Return what a knock gets: 30s, at most 1h.
 * @param {Door} door
 */
export function describeTimes(door) {
    return `${formatLength(door.open_for)}, at most ${formatLength(door.max_open_for)}`;
}

/**
 * Return what else is worth knowing about a door, half a sentence each.
 * @param {Door} door
 */
export function listRemarks(door) {
    const remarks = [];
    if (door.uses === "once") {
        remarks.push("for one connection");
    }
    if (door.trusted?.length) {
        remarks.push(`no knock needed from ${clean(door.trusted.join(", "))}`);
    }
    if (door.max_openings && door.openings >= door.max_openings) {
        remarks.push(`full: ${formatCount(door.max_openings)} openings are the most`);
    }
    if (door.sources) {
        const heard = door.lock === "sealed" ? "knock" : "client"; // done ones count for a while
        remarks.push(`${countOf(door.sources, heard)} heard moments ago`);
    }
    return remarks;
}
