/**
 * The doors, and what keeps the daemon from doing all that it should.
 * @module
 */

import {
    countSources,
    describeLock,
    describeTimes,
    formatPorts,
    listRemarks,
} from "../model/doors.js";
import { clean } from "../model/text.js";
import { find, make, makeCell, setAttributes, setText, show } from "./elements.js";
import { KeyedList } from "./keyedlist.js";

export class DoorsView {
    constructor() {
        this._empty = find("doors-empty");
        this._rows = new KeyedList(find("door-rows"), {
            keyOf: (door) => door.name,
            make: makeRow,
            update: updateRow,
        });
        this._troubles = new KeyedList(find("trouble-list"), {
            keyOf: (trouble) => trouble.text,
            make: ({ text, tone }) => make("li", { "data-tone": tone }, text),
            update: () => {},
        });
    }

    /**
     * Show the doors.
     * @param {import("../model/board.js").Board} board
     */
    update(board) {
        const { doors } = board.status;
        this._rows.update(doors);
        setText(this._empty, "no doors");
        show(this._empty, doors.length === 0);
        const troubles = listTroubles(board.status);
        this._troubles.update(troubles);
        show(find("troubles"), troubles.length > 0);
    }
}

/** Return what the operator should do something about, each sentence once. */
function listTroubles(status) {
    const troubles = status.troubles.map((text) => ({
        text: `degraded: ${clean(text)}`,
        tone: "bad",
    }));
    const pending = (status.pending ?? []).map(clean);
    if (pending.length) {
        const begin = "the configuration file has changes that were not reloaded";
        troubles.push({ text: `${begin}: ${pending.join("; ")}`, tone: "warning" });
    }
    return [...new Map(troubles.map((trouble) => [trouble.text, trouble])).values()];
}

function makeRow(door) {
    const open = makeCell("open", "Open for", make("span"));
    const name = make("th", { role: "rowheader", scope: "row", "data-field": "door" }, door.name);
    return make(
        "tr",
        { role: "row", "data-door": door.name },
        name,
        makeCell("ports", "Ports"),
        makeCell("lock", "Lock"),
        open,
        makeCell("times", "A knock gets", make("span"), make("small")),
    );
}

function updateRow(row, door) {
    const [, ports, lock, open, times] = row.children;
    setText(ports, formatPorts(door.ports));
    setText(lock, describeLock(door));
    setText(open.firstChild, countSources(door));
    setAttributes(row, { "data-open": door.openings > 0 ? "true" : "false" });
    setText(times.firstChild, describeTimes(door));
    setText(times.lastChild, listRemarks(door).join("; "));
}
