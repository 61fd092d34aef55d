/**
 * A button that asks before it acts: the first press changes its text to a question, the second one
 * acts. Escape, another place of the focus, or ten seconds take the question back.
 * @module
 */

import { setAttributes, setText } from "./elements.js";

/** Milliseconds within which a second press is a double click, and no answer. */
const DOUBLE = 400;
/** Milliseconds for which the question stands. */
const PATIENCE = 10_000;

export class Confirmation {
    /**
     * @param {HTMLButtonElement} button
     * @param {{text: string, name: string, question: string, longQuestion: string}} words
     *     name and longQuestion: for screen readers
     * @param {import("../following/timers.js").Timers} timers
     * @param {{ask: (question: string) => void, act: () => void}} work
     */
    constructor(button, words, timers, work) {
        Object.assign(this, { button, words, _timers: timers, _work: work });
        this._askedAt = null;
        this._cancel = () => {};
        this._show(words.text, words.name, false);
        button.addEventListener("click", () => this._press());
        // A row that moves loses the focus, and gets it back at once.
        button.addEventListener("blur", () => timers.after(0, () => this._leave()));
        button.addEventListener("keydown", (event) => {
            if (event.key === "Escape") {
                this.takeBack();
            } else if (event.repeat) {
                event.preventDefault(); // holding a key down is not a second press
            }
        });
    }

    /** Take the question back. */
    takeBack() {
        this._cancel();
        if (this._askedAt !== null) {
            this._askedAt = null;
            this._show(this.words.text, this.words.name, false);
        }
    }

    _leave() {
        if (this.button.ownerDocument.activeElement !== this.button) {
            this.takeBack();
        }
    }

    _press() {
        if (this.button.getAttribute("aria-disabled") === "true") {
            return;
        }
        const now = this._timers.now();
        if (this._askedAt === null) {
            this._askedAt = now;
            this._show(this.words.question, this.words.longQuestion, true);
            this._work.ask(this.words.longQuestion);
            this._cancel = this._timers.after(PATIENCE, () => this.takeBack());
        } else if (now - this._askedAt > DOUBLE) {
            this.takeBack();
            this._work.act();
        }
    }

    _show(text, name, isAsking) {
        setText(this.button, text);
        setAttributes(this.button, { "aria-label": name, "data-asking": isAsking });
    }
}
