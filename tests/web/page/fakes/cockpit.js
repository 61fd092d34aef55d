/**
 * Cockpit as pages see it: what a test tells it to answer, and what was asked. Its promises hand two
 * values to those who wait for a failure, and its channels report with an event and a value.
 * @module
 */

/** A failure of Cockpit's: a code, a status of HTTP, or the exit status of a command. */
export function makeProblem(about) {
    return { problem: null, status: null, exit_status: null, message: "", ...about };
}

export class FakeCockpit {
    /**
     * @param {object} answers what commands and requests get, each in turn
     * @param {Array<object>} answers.commands {output} or {problem, output}
     * @param {Array<object>} [answers.requests] the same
     */
    constructor({ commands, requests = [] }) {
        this.asked = [];
        this.channels = [];
        this.listeners = [];
        this._commands = commands;
        this._requests = requests;
    }

    permission({ admin }) {
        return admin && { addEventListener: (_kind, callback) => this.listeners.push(callback) };
    }

    spawn(words, options) {
        this.asked.push({ words: words.join(" "), superuser: options.superuser });
        return settle(this._commands.shift());
    }

    http({ unix, superuser }) {
        return {
            request: ({ method, path, headers, body }) => {
                this.asked.push({ unix, superuser, method, path, headers, body });
                return Object.assign(settle(this._requests.shift()), { close: () => {} });
            },
        };
    }

    channel(options) {
        const channel = new FakeChannel(options);
        this.channels.push(channel);
        return channel;
    }
}

function settle({ output = "", problem = null }) {
    return {
        then: (resolve, reject) => {
            queueMicrotask(() => (problem ? reject(makeProblem(problem), output) : resolve(output)));
        },
    };
}

export class FakeChannel {
    constructor(options) {
        this.options = options;
        this.sent = "";
        this.isClosed = false;
        this._listeners = { message: [], close: [] };
    }

    addEventListener(kind, callback) {
        this._listeners[kind].push(callback);
    }

    send(bytes) {
        this.sent += new TextDecoder().decode(bytes);
    }

    /** Let bytes arrive. */
    receive(bytes) {
        const sent = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
        this._listeners.message.forEach((callback) => callback({}, sent));
    }

    close(options = {}) {
        if (!this.isClosed) {
            this.isClosed = true;
            this._listeners.close.forEach((callback) => callback({}, options));
        }
    }
}
