/**
 * Speaks to those who use a screen reader: politely of events, at once of failures.
 * @module
 */

import { describeTogether } from "../model/announcements.js";

/** Milliseconds between two texts about events: a flood must not talk without end. */
const PAUSE = 4000;

export class Announcer {
    /**
     * @param {HTMLElement} polite
     * @param {HTMLElement} assertive
     * @param {import("../following/timers.js").Timers} timers
     */
    constructor(polite, assertive, timers) {
        this._polite = polite;
        this._assertive = assertive;
        this._timers = timers;
        this._events = [];
        this._isWaiting = false;
    }

    /** Say a sentence when the reader has ended the present one. */
    say(sentence) {
        speak(this._polite, sentence);
    }

    /** Say a sentence at once. */
    alarm(sentence) {
        speak(this._assertive, sentence);
    }

    /**
     * Say that an event happened; many of them together, after a pause.
     * @param {object} event
     */
    hear(event) {
        this._events.push(event);
        if (!this._isWaiting) {
            this._isWaiting = true;
            this._timers.after(PAUSE, () => this._sayEvents());
        }
    }

    _sayEvents() {
        this._isWaiting = false;
        speak(this._polite, describeTogether(this._events));
        this._events = [];
    }
}

/** Put a text into a live region. The same text again is a change only as another element. */
function speak(region, text) {
    const line = region.ownerDocument.createElement("span");
    line.textContent = text;
    region.replaceChildren(line);
}
