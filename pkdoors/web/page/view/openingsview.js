/**
 * The openings: who is in, for how long, and the buttons to change that.
 * @module
 */

import { describeClosed, matchesWords, splitWords } from "../model/openings.js";
import { PAGE } from "../model/selection.js";
import { formatCount } from "../model/text.js";
import { find, setChoices, setText, show } from "./elements.js";
import { KeyedList } from "./keyedlist.js";
import { Notice } from "./notice.js";
import { OpeningRow } from "./openingrow.js";
import { Ticking } from "./ticking.js";

export class OpeningsView {
    /**
     * @param {import("../context.js").Context} context
     * @param {import("./extenddialog.js").ExtendDialog} dialog
     */
    constructor(context, dialog) {
        this._context = context;
        this._dialog = dialog;
        this._shown = [];
        this._ticking = new Ticking(find("openings-scroll"));
        this._text = find("openings-text");
        this._door = find("openings-door");
        this._notice = new Notice(find("openings-notice"), context.timers, context.announcer);
        this._rows = new KeyedList(find("opening-rows"), {
            keyOf: (entry) => entry.key,
            make: (entry) => this._makeRow(entry),
            forget: (row) => this._ticking.forget(row),
            update: (row, entry) => row.openingRow.update(entry),
            passFocus: (row) => this._passFocus(row),
        });
        this._listen();
    }

    /** Show what the board has now. */
    update() {
        const { board } = this._context;
        const focused = document.activeElement?.dataset.action;
        this._lastAction = focused ?? this._lastAction;
        const doors = board.status.doors.map(({ name }) => ({ value: name, text: name }));
        setChoices(this._door, [{ value: "", text: "all doors" }, ...doors]);
        const words = this._context.selection.isDaemons ? [] : splitWords(this._text.value);
        this._shown = board.entries.filter(({ opening }) => matchesWords(opening, words));
        this._rows.update(this._shown);
        this._describe(words.length > 0);
        this.tick();
    }

    /** Count down. */
    tick() {
        const rows = this._shown.map((entry) => this._rows.row(entry.key));
        this._ticking.choose(rows).forEach((row) => row.openingRow.tick());
    }

    _makeRow(entry) {
        const { element } = new OpeningRow(entry, this._context.timers, {
            extend: (row) => this._dialog.open(row, this._notice),
            close: (row) => void this._close(row),
            ask: (question) => this._context.announcer.say(question),
        });
        element.openingRow.tick();
        this._ticking.watch(element);
        return element;
    }

    async _close(row) {
        const { door, source } = row.entry.opening;
        const query = new URLSearchParams({ door });
        this._notice.clear();
        row.setBusy(true);
        try {
            const path = `/openings/${encodePath(source)}?${query}`;
            const { done, refused } = describeClosed(await this._context.ask("DELETE", path));
            if (refused.length) {
                this._notice.complain(refused.join(". "));
            } else {
                this._notice.tell(done.join(". "));
            }
        } catch (failure) {
            this._notice.complain(failure.sentence);
        }
        row.setBusy(false);
        this._context.refresh();
    }

    _describe(isFiltered) {
        const { board, selection } = this._context;
        const [shown, total] = [this._shown.length, board.total()];
        const some = isFiltered
            ? `${formatCount(shown)} of ${formatCount(total)}`
            : formatCount(total);
        setText(find("openings-count"), `(${some})`);
        const isChosen = isFiltered || selection.door !== "" || selection.isDaemons;
        setText(
            find("openings-empty"),
            isChosen ? "no opening matches the filter" : "no door is open",
        );
        show(find("openings-empty"), shown === 0);
        show(find("openings-scroll"), shown > 0);
        const before = selection.cursors.length * PAGE;
        const last = before + board.entries.length;
        const hasNext = Boolean(board.status.next);
        const [from, to, all] = [before + 1, last, total].map(formatCount);
        const range = `${from} to ${to} of ${all}, by deadline.`;
        const hint = isFiltered
            ? " The filter looks at these; a whole address is looked up in all."
            : "";
        setText(find("openings-shown"), range + hint);
        show(find("openings-first"), before > 0);
        show(find("openings-next"), hasNext);
        show(find("openings-pages"), before > 0 || hasNext);
    }

    _listen() {
        const { selection, refresh } = this._context;
        const choose = () => {
            const wasDaemons = selection.isDaemons;
            const isOtherDoor = selection.door !== this._door.value;
            selection.choose({ door: this._door.value, text: this._text.value });
            if (isOtherDoor || wasDaemons || selection.isDaemons) {
                refresh();
            }
            if (this._context.board.status) {
                this.update();
            }
        };
        this._door.addEventListener("change", choose);
        this._text.addEventListener("input", choose);
        const turn = (cursors) => {
            selection.cursors = cursors;
            find("openings-title").focus();
            refresh();
        };
        find("openings-first").addEventListener("click", () => turn([]));
        find("openings-next").addEventListener("click", () =>
            turn([...selection.cursors, this._context.board.status.next]),
        );
    }

    /** Give the focus of a row that has vanished to the one in its place, or to the title. */
    _passFocus(row) {
        if (row) {
            row.openingRow.focus(this._lastAction);
        } else {
            find("openings-title").focus();
        }
    }
}

/** Return a source as a path: of a network, the daemon wants the slash as it is. */
function encodePath(source) {
    return source.split("/").map(encodeURIComponent).join("/").replaceAll("%3A", ":");
}
