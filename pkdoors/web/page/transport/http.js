/**
 * Asks `pkdoors web`, which has served the page. Every transport has the same methods:
 *
 * - `begin()` starts a session, if one is needed;
 * - `ask(method, path, body)` asks the daemon, with a path of docs/admin.md, and returns its JSON;
 * - `about()`, `check()` and `fleet()` return what `pkdoors web` adds to that;
 * - `follow(path, onText)` hands on the pieces of a stream until it ends.
 *
 * All return promises, and fail with a Failure.
 * @module
 */

import { Failure, readRefusal } from "./failure.js";
import { SessionKey } from "./sessionkey.js";

/** Milliseconds for an answer: a firewall may take 30 seconds. */
const PATIENCE = 35_000;
/** Milliseconds for an answer that only says how things are. */
const SHORT_PATIENCE = 10_000;
/** Milliseconds for a check of the whole host. */
const LONG_PATIENCE = 120_000;

const AWAY =
    "`pkdoors web` does not answer: if it has ended, start it again, " +
    "and open the link that it prints";

/**
 * @param {typeof window.fetch} fetch
 * @param {{hash: string}} location of the page; its fragment is the token, if there is one
 * @param {() => void} hideToken removes the token from the address of the page
 * @param {SessionKey} [key] of the session
 */
export function makeHTTPTransport(fetch, location, hideToken, key = new SessionKey()) {
    const get = async (path, patience) =>
        readJSON(await send("GET", `api/${path}`, { patience }), patience);

    async function send(method, path, { body, patience, type } = {}) {
        const headers = type ? { "Content-Type": type, ...key.headers() } : key.headers();
        const options = { method, headers, body, credentials: "same-origin", cache: "no-store" };
        if (patience) {
            options.signal = AbortSignal.timeout(patience);
        }
        let response;
        try {
            response = await fetch(path, options);
        } catch (error) {
            throw describeError(error, patience);
        }
        if (!response.ok) {
            throw readRefusal(response.status, await response.text().catch(() => ""));
        }
        return response;
    }

    return {
        async begin() {
            const token = location.hash.slice(1);
            if (token) {
                const wanted = {
                    body: token,
                    type: "application/octet-stream",
                    patience: SHORT_PATIENCE,
                };
                const begun = await send("POST", "session", wanted).catch(ignoreRefusal);
                if (begun) {
                    key.keep((await readJSON(begun, SHORT_PATIENCE)).key);
                }
                hideToken(); // nobody copies a link that is dead
            }
        },
        async ask(method, path, body) {
            const patience = method === "GET" ? SHORT_PATIENCE : PATIENCE;
            const type = method === "GET" ? "" : "application/json";
            const text = body === undefined ? undefined : JSON.stringify(body);
            return readJSON(
                await send(method, `api${path}`, { body: text, type, patience }),
                patience,
            );
        },
        about: () => get("about", SHORT_PATIENCE),
        check: () => get("check", LONG_PATIENCE),
        fleet: () => get("fleet", LONG_PATIENCE),
        async follow(path, onText) {
            await readPieces(await send("GET", `api${path}`), onText);
        },
    };
}

async function readPieces(response, onText) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
        for (;;) {
            const { value, done } = await reader.read().catch((error) => {
                throw describeError(error);
            });
            if (done) {
                return;
            }
            onText(value);
        }
    } finally {
        // If onText has failed, the connection would stay, and a browser has only six for a page.
        reader.cancel().catch(() => {});
    }
}

async function readJSON(response, patience) {
    try {
        return await response.json();
    } catch (error) {
        if (error instanceof SyntaxError) {
            throw new Failure("cannot understand the answer (it is not JSON): load the page again");
        }
        throw describeError(error, patience);
    }
}

/** Ignore that a link was used before: the browser may have the session that it began. */
function ignoreRefusal(failure) {
    if (failure.status !== 403) {
        throw failure;
    }
}

function describeError(error, patience) {
    if (error instanceof Failure) {
        return error;
    }
    if (error?.name === "TimeoutError") {
        const seconds = Math.round(patience / 1000);
        return new Failure(
            `no answer within ${seconds} seconds: see the terminal of \`pkdoors web\``,
        );
    }
    return new Failure(AWAY);
}
