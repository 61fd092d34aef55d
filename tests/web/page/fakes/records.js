/**
 * What a daemon sends.
 * @module
 */

export const KEY = "SHA256:uJ8kq0Yx2f7dM1p0nV5r3Qe8s7cH1aLr0tYw9zXbC4E";

/** Return a door. */
export function makeDoor(about = {}) {
    return {
        name: "ssh",
        ports: ["22/tcp"],
        lock: "sealed",
        open_for: 30,
        max_open_for: 3600,
        openings: 0,
        sources: 0,
        uses: "many",
        trusted: [],
        networks: 0,
        max_openings: 16384,
        fleet: false,
        listens: true,
        ...about,
    };
}

/** Return an opening. */
export function makeOpening(about = {}) {
    return {
        door: "ssh",
        source: "192.0.2.7",
        ports: ["22/tcp"],
        open: true,
        until: "2026-11-23T08:00:30.000Z",
        seconds_left: 30,
        user: "anna@laptop",
        key: KEY,
        trouble: "",
        asked_from: "",
        via: "",
        uses: "many",
        used: false,
        ...about,
    };
}

/** Return an event. */
export function makeEvent(about = {}) {
    return {
        time: "2026-11-23T08:00:00.000Z",
        event: "opened",
        door: "ssh",
        source: "192.0.2.7",
        ports: ["22/tcp"],
        seconds: 30,
        user: "",
        key: "",
        asked_from: "",
        via: "",
        reason: "",
        text: "the line in the log",
        ...about,
    };
}

/** Return a status. */
export function makeStatus(openings = [], about = {}) {
    return {
        uptime: 100,
        doors: [makeDoor()],
        openings,
        total: openings.length,
        next: "",
        ...about,
    };
}
