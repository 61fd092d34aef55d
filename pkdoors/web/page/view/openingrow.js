/**
 * One opening: a row that is made once, and changed in place.
 * @module
 */

import { formatRough } from "../model/durations.js";
import { describeState, describeWho } from "../model/openings.js";
import { clean } from "../model/text.js";
import { formatClock, formatMoment } from "../model/times.js";
import { Confirmation } from "./confirmation.js";
import { make, makeCell, setAttributes, setText } from "./elements.js";

/** The bar warns when this share of the time is left. */
const LAST = 0.25;

export class OpeningRow {
    /**
     * @param {import("../model/board.js").Entry} entry
     * @param {import("../following/timers.js").Timers} timers
     * @param {object} work
     * @param {(row: OpeningRow) => void} work.extend
     * @param {(row: OpeningRow) => void} work.close
     * @param {(question: string) => void} work.ask
     */
    constructor(entry, timers, work) {
        this.entry = entry;
        this._timers = timers;
        const { door, source } = entry.opening;
        this._time = make("time");
        this._until = make("small");
        this._bar = make("span");
        this._who = make("span");
        this._key = make("small", { class: "key" });
        this._state = make("small", { class: "state" });
        this._extend = make("button", {
            type: "button",
            "data-action": "extend",
            "aria-label": `Extend ${door} for ${source}`,
        });
        this._extend.textContent = "Extend";
        this._extend.addEventListener("click", () => work.extend(this));
        this._close = make("button", { type: "button", "data-action": "close" });
        const words = {
            text: "Close",
            name: `Close ${door} for ${source}`,
            question: "Really close?",
            longQuestion: `Really close ${door} for ${source}? Press again to close it.`,
        };
        new Confirmation(this._close, words, timers, {
            ask: work.ask,
            act: () => work.close(this),
        });
        this.element = this._assemble(door, source);
        this.element.openingRow = this;
    }

    /** Take in what the daemon says now. */
    update(entry) {
        this.entry = entry;
        const { opening } = entry;
        const state = describeState(opening);
        const tone = opening.trouble ? "bad" : opening.used ? "dim" : "";
        setText(this._who, describeWho(opening) || "-");
        setText(this._key, opening.user ? clean(opening.key) : "");
        setAttributes(this._key, { title: clean(opening.key) });
        setText(this._state, state);
        setAttributes(this.element, { "data-tone": tone });
    }

    /** Count down. */
    tick() {
        const { opening, deadline, full } = this.entry;
        const left = Math.max(0, deadline - this._timers.now() / 1000);
        setText(this._time, formatRough(left));
        if (this._shownUntil !== opening.until) {
            this._shownUntil = opening.until;
            const until = new Date(Date.parse(opening.until));
            setAttributes(this._time, {
                datetime: opening.until,
                title: `until ${formatMoment(until)}`,
            });
            setText(this._until, `until ${formatClock(until, this._timers.wall())}`);
        }
        const share = full > 0 ? Math.min(1, left / full) : 0;
        this._bar.style.transform = `scaleX(${share.toFixed(3)})`;
        setAttributes(this._bar, { "data-low": share < LAST });
    }

    /** Show whether a request is under way: the buttons keep the focus, and do nothing. */
    setBusy(isBusy) {
        for (const button of [this._extend, this._close]) {
            setAttributes(button, { "aria-disabled": isBusy ? "true" : false });
        }
    }

    /** Put the focus on a button. */
    focus(action) {
        (action === "close" ? this._close : this._extend).focus();
    }

    _assemble(door, source) {
        const bar = make("span", { class: "bar", "aria-hidden": "true" }, this._bar);
        const address = make("bdi", {}, source);
        return make(
            "tr",
            { role: "row", "data-door": door, "data-source": source },
            makeCell("door", "Door", door),
            makeCell("source", "Address", address),
            makeCell("left", "Time left", this._time, this._until, bar),
            makeCell("who", "Who", this._who, this._key, this._state),
            makeCell("actions", "Change", this._extend, this._close),
        );
    }
}
