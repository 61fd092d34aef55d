/**
 * Asks the daemon through Cockpit, in whose menu the page is then. It has the methods of http.js.
 * Cockpit's bridge connects to the admin socket as root, and runs `pkdoors` for the rest.
 * The developer guide of the Cockpit project describes its programming interface.
 * @module
 */

import { readStream } from "./cockpitstream.js";
import { Failure, readRefusal } from "./failure.js";

/** Milliseconds for an answer: a firewall may take 30 seconds. */
const PATIENCE = 35_000;
/** The socket is root's alone. */
const AS_ROOT = { superuser: "require" };

const LOGGED_OUT = "the session with Cockpit has ended: log in again";
/** Why Cockpit closes a channel, by its code. */
const SENTENCES = {
    "access-denied":
        "Cockpit has no administrative access: turn it on at the top of Cockpit's page, " +
        "and the doors appear here",
    "no-session": LOGGED_OUT,
    disconnected: LOGGED_OUT,
    terminated: "the daemon ended before it answered: try again",
    timeout: `no answer within ${PATIENCE / 1000} seconds: see the daemon's log`,
};
const NO_COMMAND = "Cockpit does not find the command `pkdoors`: put a link to it into /usr/local/bin";

/** Thrown if nobody listens at a socket. */
const NOBODY = new Failure("nobody listens at the daemon's socket: see its log");

/**
 * @param {typeof window.cockpit} cockpit
 * @param {{setTimeout: Function, clearTimeout: Function}} timers
 */
export function makeCockpitTransport(cockpit, timers) {
    const permission = cockpit.permission({ admin: true });
    const ask = (kind) => run(cockpit, kind);
    let found = null; // a promise of where the socket is

    /** Do something with the socket; if nobody listens there, look whether the daemon has moved. */
    async function atSocket(work) {
        const used = (found ??= ask("admin"));
        try {
            return await work(makeEndpoint(await used));
        } catch (failure) {
            found = found === used ? null : found;
            if (failure !== NOBODY) {
                throw failure;
            }
        }
        // If no daemon runs, this fails with the reason.
        return work(makeEndpoint(await (found ??= ask("admin"))));
    }

    return {
        /** Call back when somebody has turned administrative access on or off. */
        onChange: (callback) => permission.addEventListener("changed", callback),
        begin: async () => {},
        ask: async (method, path, body) =>
            parse(await atSocket((at) => request(cockpit, at, { method, path, body }, timers))),
        about: () => ask("about"),
        check: () => ask("check"),
        fleet: () => ask("fleet"),
        follow: (path, onText) => atSocket((at) => follow(cockpit, at, path, onText)),
    };
}

function makeEndpoint({ admin }) {
    return { ...AS_ROOT, unix: admin };
}

/** Send a request, and return the text of the answer. */
function request(cockpit, at, { method, path, body }, timers) {
    const text = body === undefined ? "" : JSON.stringify(body);
    // Without a Host, Cockpit sends the path of the socket.
    const headers = { Host: "pkdoors", ...(text && { "Content-Type": "application/json" }) };
    const asking = cockpit.http(at).request({ method, path, headers, body: text });
    const timer = timers.setTimeout(() => asking.close("timeout"), PATIENCE);
    return settle(asking, (problem, answer) => {
        if (problem.problem === "not-found") {
            return NOBODY;
        }
        return problem.status ? readRefusal(problem.status, answer) : describe(problem);
    }).finally(() => timers.clearTimeout(timer));
}

function follow(cockpit, at, path, onText) {
    return readStream(cockpit, at, path, onText).catch((problem) => {
        // The first is what the bridge in C says, the second what the one in Python says.
        const isNobody = ["not-found", "terminated"].includes(problem.problem);
        throw isNobody ? NOBODY : describe(problem);
    });
}

/** Return the JSON that `pkdoors relay-admin` prints about something. */
function run(cockpit, kind) {
    const options = { ...AS_ROOT, err: "message" };
    const running = cockpit.spawn(["pkdoors", "relay-admin", "--ask", kind], options);
    return settle(running, (problem, output) => {
        if (problem.problem === "not-found") {
            return new Failure(NO_COMMAND);
        }
        return output ? readRefusal(0, output) : describe(problem);
    }).then(parse);
}

/** Return a promise of the browser's for one of Cockpit's, whose failure has two values. */
function settle(promise, describeFailure) {
    return new Promise((resolve, reject) => {
        promise.then(resolve, (...failure) => reject(describeFailure(...failure)));
    });
}

function describe(problem) {
    if (problem instanceof Failure) {
        return problem;
    }
    const reason = problem.message || problem.problem;
    return new Failure(SENTENCES[problem.problem] ?? `${reason}: see the log of Cockpit`);
}

function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        throw new Failure("cannot understand the answer (it is not JSON): load the page again");
    }
}
