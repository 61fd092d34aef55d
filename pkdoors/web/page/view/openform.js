/**
 * Opens a door for an address that the operator gives.
 * @module
 */

import { describeOpened } from "../model/openings.js";
import { find, setAttributes, setChoices, setText, show } from "./elements.js";
import { Notice } from "./notice.js";
import { TimeField } from "./timefield.js";

const MISSING =
    "the address is missing: give one like 192.0.2.7 or 2001:db8::7, or a network like 10.0.0.0/16";

export class OpenForm {
    /**
     * @param {import("../context.js").Context} context
     */
    constructor(context) {
        this._context = context;
        this._source = find("open-source");
        this._door = find("open-door");
        this._mine = find("open-mine");
        this._submit = find("open-submit");
        this._time = new TimeField(find("open-time"), "open-time");
        this._notice = new Notice(find("open-notice"), context.timers, context.announcer);
        this._door.addEventListener("change", () => this._offer());
        this._source.addEventListener("input", () => this._showMine());
        this._mine.addEventListener("click", () => this._fillIn());
        find("open-form").addEventListener("submit", (event) => {
            event.preventDefault();
            void this._open();
        });
    }

    /** Fill in the operator's own address, if it is known and the field is empty. */
    know(address) {
        this._own = address;
        if (address && !this._source.value) {
            this._source.value = address;
        }
        this._showMine();
    }

    /** Offer the doors that the daemon has now. */
    update() {
        const { doors } = this._context.board.status;
        const chosen = this._door.value;
        setChoices(
            this._door,
            doors.map(({ name }) => ({ value: name, text: name })),
        );
        const { value } = this._door;
        if (chosen && chosen !== value) {
            const now = value ? `: door ${value} is chosen now` : "";
            this._notice.complain(`there is no door ${chosen} any more${now}`);
        }
        show(this._door.parentElement, doors.length !== 1);
        this._offer();
    }

    _offer() {
        this._time.offer(this._context.board.door(this._door.value));
    }

    _fillIn() {
        this._source.value = this._own;
        this._source.focus();
        this._showMine();
    }

    _showMine() {
        const isMine = this._source.value.trim() === this._own;
        setText(this._mine, `Use your own address, ${this._own}`);
        show(this._mine, Boolean(this._own) && !isMine);
    }

    async _open() {
        const source = this._source.value.trim();
        if (this._submit.getAttribute("aria-disabled")) {
            return;
        }
        if (!this._context.board.status) {
            this._complain('the daemon has not answered yet: try again when the page says "live"');
            return;
        }
        if (!source) {
            this._complain(MISSING, this._source);
            return;
        }
        const { seconds, fault } = this._time.read();
        if (fault) {
            this._complain(fault, this._time);
            return;
        }
        await this._send({ source, door: this._door.value, ...(seconds ? { seconds } : {}) });
    }

    async _send(wanted) {
        this._notice.clear();
        setAttributes(this._source, { "aria-invalid": false });
        setAttributes(this._submit, { "aria-disabled": "true" });
        try {
            const { opening } = await this._context.ask("POST", "/openings", wanted);
            const now = this._context.timers.wall();
            this._notice.tell(describeOpened(opening, wanted.seconds ?? 0, now));
        } catch (failure) {
            const isSource = failure.status === 400;
            this._complain(failure.sentence, isSource ? this._source : this._submit);
        }
        setAttributes(this._submit, { "aria-disabled": false });
        this._context.refresh();
    }

    /** Say what is wrong, and put the focus where that can be corrected. */
    _complain(sentence, place) {
        this._notice.complain(sentence);
        setAttributes(this._source, { "aria-invalid": place === this._source ? "true" : false });
        place?.focus();
    }
}
