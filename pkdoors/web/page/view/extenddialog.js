/**
 * Asks for how long an opening goes on. One dialog serves all rows.
 * @module
 */

import { formatRough } from "../model/durations.js";
import { describeOpened } from "../model/openings.js";
import { formatClock } from "../model/times.js";
import { find, setAttributes, setText } from "./elements.js";
import { Notice } from "./notice.js";
import { TimeField } from "./timefield.js";

export class ExtendDialog {
    /**
     * @param {import("../context.js").Context} context
     */
    constructor(context) {
        this._context = context;
        this._dialog = find("extend");
        this._time = new TimeField(find("extend-time"), "extend-time");
        this._fault = new Notice(find("extend-notice"), context.timers, context.announcer);
        this._submit = find("extend-submit");
        find("extend-cancel").addEventListener("click", () => this._dialog.close());
        find("extend-form").addEventListener("submit", (event) => {
            event.preventDefault();
            void this._extend();
        });
        this._dialog.addEventListener("close", () => this._giveBackFocus());
    }

    /**
     * Ask for one opening.
     * @param {import("./openingrow.js").OpeningRow} row
     * @param {Notice} notice where the answer is shown
     */
    open(row, notice) {
        this._row = row;
        this._notice = notice;
        const { door, source } = row.entry.opening;
        const left = row.entry.deadline - this._context.timers.now() / 1000;
        this._fault.clear();
        setText(find("extend-title"), `Extend ${door} for ${source}`);
        this._time.offer(this._context.board.door(door), left);
        this.tick();
        this._dialog.showModal();
        this._time.focus();
    }

    /** Count down. */
    tick() {
        if (!this._row) {
            return;
        }
        const { entry } = this._row;
        const left = entry.deadline - this._context.timers.now() / 1000;
        const until = formatClock(
            new Date(Date.parse(entry.opening.until)),
            this._context.timers.wall(),
        );
        const isOver = left <= 0 || !this._row.element.isConnected;
        const open = `It is open until ${until}, for another ${formatRough(left)}.`;
        const text = isOver ? "It has ended: this opens the door again." : open;
        setText(find("extend-about"), text);
    }

    async _extend() {
        const { seconds, fault } = this._time.read();
        if (fault) {
            this._fault.complain(fault);
            this._time.focus();
            return;
        }
        if (this._submit.getAttribute("aria-disabled")) {
            return;
        }
        const [row, notice] = [this._row, this._notice];
        const { door, source } = row.entry.opening;
        setAttributes(this._submit, { "aria-disabled": "true" });
        try {
            const wanted = { source, door, ...(seconds ? { seconds } : {}) };
            const { opening } = await this._context.ask("POST", "/openings", wanted);
            if (this._row === row) {
                this._dialog.close();
            }
            notice.tell(describeOpened(opening, seconds, this._context.timers.wall()));
        } catch (failure) {
            // Meanwhile the operator may have cancelled, and opened the dialog for another row.
            (this._row === row ? this._fault : notice).complain(failure.sentence);
        }
        setAttributes(this._submit, { "aria-disabled": false });
        this._context.refresh();
    }

    /** The browser gives the focus back to the button, unless its row has vanished. */
    _giveBackFocus() {
        if (this._dialog.open) {
            return; // the browser reports a closing late: the dialog is open again
        }
        if (!this._row.element.isConnected) {
            find("openings-title").focus();
        }
        this._row = null;
    }
}
