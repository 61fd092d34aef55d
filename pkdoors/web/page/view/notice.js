/**
 * A sentence in a part of the page: what an action did, or why it failed.
 * @module
 */

import { setAttributes, setSentence, show } from "./elements.js";

/** Milliseconds for which a good sentence is shown. Bad ones stay until the next action. */
const SHOWN = 15_000;

export class Notice {
    /**
     * @param {HTMLElement} element
     * @param {import("../following/timers.js").Timers} timers
     * @param {import("./announcer.js").Announcer} announcer
     */
    constructor(element, timers, announcer) {
        this._element = element;
        this._timers = timers;
        this._announcer = announcer;
        this._cancel = () => {};
    }

    /** Say what an action did. */
    tell(sentence) {
        this._put(sentence, "good");
        this._announcer.say(sentence);
        this._cancel = this._timers.after(SHOWN, () => this.clear());
    }

    /** Say why something failed. */
    complain(sentence) {
        const isNew = this._element.hidden || this._element.dataset.sentence !== sentence;
        this._put(sentence, "bad");
        if (isNew) {
            this._announcer.alarm(sentence);
        }
    }

    /** Say something that stays as long as it is true, and is not read aloud. */
    note(sentence) {
        this._put(sentence, "plain");
    }

    /** Say nothing. */
    clear() {
        this._cancel();
        show(this._element, false);
        setSentence(this._element, "");
    }

    _put(sentence, tone) {
        this._cancel();
        setSentence(this._element, sentence);
        setAttributes(this._element, { "data-tone": tone });
        show(this._element, true);
    }
}
