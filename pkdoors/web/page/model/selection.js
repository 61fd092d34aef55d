/**
 * Which openings the page asks for. There may be tens of thousands; a page of them has the ones
 * that end first. Pure.
 * @module
 */

/** Openings of one page. */
export const PAGE = 1000;

/** The status with which the daemon refuses a door that it does not have, or no longer has. */
export const UNKNOWN_DOOR = 404;

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|(?=.*:.*:)[0-9a-f:.]+)(?:\/\d{1,3})?$/i;

export class Selection {
    constructor() {
        this.door = "";
        this.text = "";
        /** @type {string[]} where each page after the first begins */
        this.cursors = [];
        this._rejected = "";
    }

    /**
     * Return the path to ask for.
     * @param {string} path /status
     */
    query(path) {
        const wanted = new URLSearchParams({ limit: String(PAGE) });
        if (this.door) {
            wanted.set("door", this.door);
        }
        if (this.isDaemons) {
            const text = this.text.trim();
            wanted.set(text.includes("/") ? "within" : "source", text);
        }
        if (this.cursors.length) {
            wanted.set("after", this.cursors.at(-1));
        }
        return `${path}?${wanted}`;
    }

    /** Whether the daemon looks for the text; otherwise the page does, in the openings it has. */
    get isDaemons() {
        const text = this.text.trim();
        return text !== this._rejected && ADDRESS.test(text);
    }

    /**
     * Ask for less, because the daemon has refused a request: for all doors, for the first page, or
     * without the text, which is not an address then.
     * @param {number} status with which it was refused
     * @returns {boolean} whether that makes a difference
     */
    relax(status) {
        if (status === UNKNOWN_DOOR) {
            const hadDoor = this.door !== "";
            this.choose({ door: "" });
            return hadDoor;
        }
        if (this.cursors.length) {
            this.cursors = [];
            return true;
        }
        if (this.isDaemons) {
            this._rejected = this.text.trim();
            return true;
        }
        return false;
    }

    /**
     * Choose other openings, from the first page on.
     * @param {{door?: string, text?: string}} wanted
     */
    choose(wanted) {
        Object.assign(this, wanted, { cursors: [] });
    }
}
