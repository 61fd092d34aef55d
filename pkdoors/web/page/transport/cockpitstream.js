/**
 * Reads an answer without an end through Cockpit. `cockpit.http` could, too, but in the bridge of
 * later versions of Cockpit each of its requests holds a thread until the daemon says something; a
 * few pages that were loaded again on a quiet host would take all threads of the bridge. So this
 * speaks HTTP itself, over a plain connection, which Cockpit closes when the page goes.
 * @module
 */

import { Failure, readRefusal } from "./failure.js";

/** Letters of the head of an answer: the daemon's has about 400. */
const MAX_HEAD = 8192;
/** Letters of a refusal. */
const MAX_BODY = 65_536;
/** Between the head and the body. */
const GAP = "\r\n\r\n";

/**
 * Hand on the pieces of a stream until it ends.
 * @param {typeof window.cockpit} cockpit
 * @param {{unix: string, superuser: string}} at the socket
 * @param {string} path
 * @param {(text: string) => void} onText
 * @returns {Promise<void>} fails with a Failure, or with an object whose `problem` is a code of Cockpit's
 */
export function readStream(cockpit, at, path, onText) {
    // Binary, because Cockpit would replace a letter whose bytes arrive in two pieces.
    const channel = cockpit.channel({ payload: "stream", binary: true, ...at });
    const decoder = new TextDecoder();
    const answer = new Answer(onText);
    // With HTTP/1.0 the body is not in chunks. No "done": the daemon would take it for the end.
    channel.send(new TextEncoder().encode(`GET ${path} HTTP/1.0\r\nHost: pkdoors\r\n\r\n`));
    return new Promise((resolve, reject) => {
        channel.addEventListener("message", (_event, bytes) => {
            try {
                answer.add(decoder.decode(bytes, { stream: true }));
            } catch (error) {
                reject(error);
                channel.close();
            }
        });
        channel.addEventListener("close", (_event, options) => {
            const failure = options.problem ? options : answer.failure;
            if (failure) {
                reject(failure);
            } else {
                resolve();
            }
        });
    });
}

/** An answer as it arrives: first the head, then the body; that of a refusal is kept. */
class Answer {
    constructor(onText) {
        this._onText = onText;
        this._head = "";
        this._status = 0;
        this._refusal = "";
    }

    /** What is wrong with the answer, now that it has ended; null if nothing is. */
    get failure() {
        if (this._status === 0) {
            return new Failure("the daemon has closed the connection: see its log");
        }
        return this._status < 300 ? null : readRefusal(this._status, this._refusal);
    }

    add(text) {
        if (this._status !== 0) {
            this._addBody(text);
            return;
        }
        this._head += text;
        const end = this._head.indexOf(GAP);
        const status = /^HTTP\/1\.[01] (\d{3})/.exec(this._head);
        if (end >= 0 && status) {
            this._status = Number(status[1]);
            this._addBody(this._head.slice(end + GAP.length));
            this._head = "";
        } else if (end >= 0 || this._head.length > MAX_HEAD) {
            throw new Failure("the daemon's answer is not HTTP: see its log");
        }
    }

    _addBody(text) {
        if (this._status >= 300) {
            this._refusal = (this._refusal + text).slice(0, MAX_BODY);
        } else if (text) {
            this._onText(text);
        }
    }
}
