/**
 * Which openings the page asks for. There may be tens of thousands; a page of them has the ones
 * that end first. Pure.
 * @module
 */

/** Openings of one page. */
export const PAGE = 1000;

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|(?=.*:.*:)[0-9a-f:.]+)(\/\d{1,3})?$/i;

export class Selection {
    constructor() {
        this.door = "";
        this.text = "";
        /** @type {string[]} where each page after the first begins */
        this.cursors = [];
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
        const match = ADDRESS.exec(this.text.trim());
        if (match) {
            wanted.set(match[1] ? "within" : "source", this.text.trim());
        }
        if (this.cursors.length) {
            wanted.set("after", this.cursors.at(-1));
        }
        return `${path}?${wanted}`;
    }

    /** Whether the daemon looks for the text; otherwise the page does, in the openings it has. */
    get isDaemons() {
        return ADDRESS.test(this.text.trim());
    }

    /**
     * Choose other openings, from the first page on.
     * @param {{door?: string, text?: string}} wanted
     */
    choose(wanted) {
        Object.assign(this, wanted, { cursors: [] });
    }
}
