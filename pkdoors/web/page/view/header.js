/**
 * The head of the page: which host and daemon it shows, and whether it still sees them.
 * @module
 */

import { BLIND, CONNECTING, DEAF, ENDED, LIVE } from "../model/connection.js";
import { formatRough } from "../model/durations.js";
import { clean, formatCount } from "../model/text.js";
import { find, setAttributes, setSentence, setText, show } from "./elements.js";

const FAILURES = new Set([BLIND, ENDED]);

export class Header {
    /**
     * @param {import("../context.js").Context} context
     * @param {import("../model/connection.js").Connection} connection
     */
    constructor(context, connection) {
        this._context = context;
        this._connection = connection;
        this._host = "";
        this._told = CONNECTING;
        find("retry").addEventListener("click", () => context.retry());
    }

    /** Name the host that the page shows. */
    name(host) {
        this._host = clean(host);
        setText(find("host"), this._host);
        this.tick();
    }

    /** Show the state now: it counts, too. */
    tick() {
        const wall = this._context.timers.wall();
        const state = this._connection.state;
        setAttributes(find("connection"), { "data-state": state });
        setAttributes(document.body, { "data-state": state });
        setText(find("connection-text"), this._connection.describe(wall));
        this._explain(wall);
        this._describeDaemon();
        this._titlePage(state);
        this._announce(state, wall);
    }

    _explain(wall) {
        const { reason } = this._connection;
        setSentence(find("connection-reason"), reason);
        show(find("connection-reason"), reason !== "");
        const next = this._connection.describeRetry(wall);
        setText(find("connection-next"), next);
        if (!this._connection.canRetry && document.activeElement === find("retry")) {
            find("openings-title").focus();
        }
        show(find("connection-retry"), this._connection.canRetry);
    }

    _describeDaemon() {
        const { board, timers } = this._context;
        if (!board.status) {
            return;
        }
        const { version, firewall, listen } = board.status;
        const isSeen = !FAILURES.has(this._connection.state);
        const up = isSeen ? `up ${formatRough(board.uptime(timers.now() / 1000))}, ` : "";
        const heard = listen ? `, listen: ${clean(listen)}` : "";
        setText(find("daemon"), `${clean(version)}, ${up}firewall: ${clean(firewall)}${heard}`);
    }

    _titlePage(state) {
        const { status } = this._context.board;
        const count = status?.doors.reduce((sum, door) => sum + door.openings, 0) ?? 0;
        const open = FAILURES.has(state) || !status ? "" : `${formatCount(count)} open - `;
        const mark = FAILURES.has(state) ? "no connection - " : open;
        const title = `${mark}${this._host ? `${this._host} - ` : ""}pkdoors`;
        if (document.title !== title) {
            document.title = title;
        }
    }

    /** Speak of a change of the state once, not of each second. */
    _announce(state, wall) {
        if (state === this._told) {
            return;
        }
        const { announcer } = this._context;
        if (state !== LIVE) {
            announcer.alarm(`${this._connection.describe(wall)}: ${this._connection.reason}`);
        } else if (FAILURES.has(this._told) || this._told === DEAF) {
            announcer.say("live again");
        }
        this._told = state;
    }
}
