/**
 * Reads server-sent events, as the HTML standard defines them. Pure. The page does not use the
 * browser's EventSource: that hides the sentence with which a request is refused, gives up for good
 * then, and cannot read from Cockpit.
 * @module
 */

/** Letters of one event: the daemon lets no more than this wait. */
const MAX_EVENT = 1 << 20;

export class EventReader {
    /**
     * @param {(event: {kind: string, data: string}) => void} onEvent
     */
    constructor(onEvent) {
        this._onEvent = onEvent;
        this._rest = "";
        /** The id of the last event; an id may also come alone. */
        this.lastId = "";
        this._begin();
    }

    /**
     * Take in a piece of the stream.
     * @param {string} text
     */
    add(text) {
        // A CR at the end of a piece may be the first half of a line's end.
        const lines = (this._rest + text).split(/\r\n|\r(?!$)|\n/);
        this._rest = lines.pop();
        if (this._rest.length > MAX_EVENT) {
            throw new RangeError("a line of the events is too long");
        }
        lines.forEach((line) => this._read(line));
    }

    _begin() {
        this._kind = "message";
        this._id = this.lastId;
        this._lines = [];
        this._size = 0;
    }

    _read(line) {
        if (line === "") {
            this._end();
            return;
        }
        const [, name, value] = /^([^:]*)(?:: ?)?(.*)$/.exec(line);
        this._size += line.length;
        if (this._size > MAX_EVENT) {
            throw new RangeError("an event is too long");
        }
        if (name === "event") {
            this._kind = value;
        } else if (name === "id") {
            this._id = value;
        } else if (name === "data") {
            this._lines.push(value);
        }
    }

    _end() {
        const event = { kind: this._kind, data: this._lines.join("\n") };
        const isEvent = this._lines.length > 0;
        this.lastId = this._id;
        this._begin();
        if (isEvent) {
            this._onEvent(event);
        }
    }
}
