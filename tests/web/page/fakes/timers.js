/**
 * Clocks that move when a test says so.
 * @module
 */

export class FakeTimers {
    constructor() {
        this._now = 1000;
        this._ahead = Date.parse("2026-11-23T08:00:00Z") - 1000;
        this._calls = [];
        this.now = () => this._now;
        this.wall = () => this._now + this._ahead;
        this.after = (milliseconds, f) => {
            const call = { at: this._now + milliseconds, f };
            this._calls.push(call);
            return () => {
                this._calls = this._calls.filter((each) => each !== call);
            };
        };
    }

    /** Return the milliseconds until each call that is due later. */
    waiting() {
        return this._calls.map(({ at }) => at - this._now).sort((one, other) => one - other);
    }

    /** Let time pass while the computer sleeps: only the time of day goes on. */
    sleep(milliseconds) {
        this._ahead += milliseconds;
    }

    /** Let time pass: calls that are due happen in their order, and what they begin goes on. */
    async advance(milliseconds) {
        const end = this._now + milliseconds;
        await settle();
        for (;;) {
            const due = this._calls.filter(({ at }) => at <= end);
            if (!due.length) {
                break;
            }
            const call = due.reduce((first, each) => (each.at < first.at ? each : first));
            this._calls = this._calls.filter((each) => each !== call);
            this._now = Math.max(this._now, call.at);
            call.f();
            await settle();
        }
        this._now = end;
    }
}

/** Let promises that are fulfilled have their effects. */
export async function settle() {
    await new Promise((resolve) => setImmediate(resolve));
}
