/**
 * Why a request failed. Pure.
 * @module
 */

export class Failure extends Error {
    /**
     * @param {string} sentence what was wrong, and what to do
     * @param {{status?: number, isOver?: boolean}} [about] status: of HTTP, 0 if nobody answered;
     *     isOver: only a new session helps
     */
    constructor(sentence, { status = 0, isOver = false } = {}) {
        super(sentence);
        this.sentence = sentence;
        this.status = status;
        this.isOver = isOver;
    }
}

/**
 * Return the failure for anything that was thrown.
 * @param {unknown} error
 * @returns {Failure}
 */
export function asFailure(error) {
    if (error instanceof Failure) {
        return error;
    }
    return new Failure(
        `the page has a fault (${error}): load it again, and report the fault to pkdoors`,
    );
}

/**
 * Return the failure for an answer with a status of 400 or more.
 * @param {number} status
 * @param {string} body JSON with a sentence: {"error": "..."}
 */
export function readRefusal(status, body) {
    let sentence = "";
    try {
        sentence = JSON.parse(body).error;
    } catch {
        // The sentence below says it.
    }
    if (typeof sentence !== "string" || !sentence) {
        sentence = `the answer has no sentence, only the status ${status}: see the daemon's log`;
    }
    return new Failure(sentence, { status, isOver: status === 401 });
}
