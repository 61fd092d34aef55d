/**
 * A part of the page that asks if the operator presses its button, and says how old the answer is.
 * @module
 */

import { asFailure } from "../transport/failure.js";
import { formatAgo, formatMoment } from "../model/times.js";
import { find, make, setAttributes, setText } from "./elements.js";
import { Notice } from "./notice.js";

export class Asking {
    /**
     * @param {import("../context.js").Context} context
     * @param {string} id of the part: it has #id-run, #id-state and #id-notice
     * @param {{busy: string, ask: () => Promise<any>, show: (answer: any) => string}} work
     *     show: returns what the answer says in short
     */
    constructor(context, id, work) {
        this._context = context;
        this._work = work;
        this._button = find(`${id}-run`);
        this._state = find(`${id}-state`);
        this._notice = new Notice(find(`${id}-notice`), context.timers, context.announcer);
        this._summary = make("span");
        this._ago = make("time");
        this._asked = null;
        this._isAsking = false;
        this._state.append(this._summary, " ", this._ago);
        this._button.addEventListener("click", () => void this.run(true));
    }

    /**
     * Ask now, unless an answer is still to come.
     * @param {boolean} [isWanted] whether the operator pressed the button, and waits for the answer
     */
    async run(isWanted = false) {
        if (this._isAsking) {
            return;
        }
        this._isAsking = true;
        setAttributes(this._button, { "aria-disabled": "true" });
        setText(this._summary, this._work.busy);
        try {
            const answer = await this._work.ask();
            setText(this._summary, this._work.show(answer));
            this._notice.clear();
            this._asked = new Date(this._context.timers.wall());
            setAttributes(this._ago, { title: formatMoment(this._asked) });
            setAttributes(this._ago, { datetime: this._asked.toISOString() });
        } catch (error) {
            setText(this._summary, "");
            this._complain(asFailure(error), isWanted);
        }
        this._isAsking = false;
        setAttributes(this._button, { "aria-disabled": false });
        this.tick();
        if (isWanted && this._summary.textContent) {
            this._context.announcer.say(this._summary.textContent);
        }
    }

    /** Whether there is an answer. */
    get hasAnswer() {
        return this._asked !== null;
    }

    /** Say how old the answer is. */
    tick() {
        const now = this._context.timers.wall();
        const isShown = this._asked !== null && this._summary.textContent !== "";
        setText(this._ago, isShown ? `(${formatAgo(this._asked, now)})` : "");
    }

    _complain(failure, isWanted) {
        if (isWanted) {
            this._notice.complain(failure.sentence);
        } else {
            this._notice.note(failure.sentence);
        }
    }
}
