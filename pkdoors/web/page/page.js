/**
 * Puts the page together: which parts show what the daemon says.
 * @module
 */

import { Hearing } from "./following/hearing.js";
import { countSeconds } from "./following/seconds.js";
import { makeWork } from "./following/work.js";
import { Board } from "./model/board.js";
import { Connection } from "./model/connection.js";
import { EventList } from "./model/eventlist.js";
import { CHANGES } from "./model/events.js";
import { Selection } from "./model/selection.js";
import { asFailure } from "./transport/failure.js";
import { Announcer } from "./view/announcer.js";
import { find, setAttributes } from "./view/elements.js";
import { makeViews } from "./view/views.js";

/** Milliseconds until the page tries again to begin a session. */
const BEGIN_PAUSE = 3000;

const NO_PAST =
    "Events from before this page was opened are missing: this daemon is of an earlier version, and " +
    "does not keep them. Restart it after the update of pkdoors.";

export class Page {
    /**
     * @param {object} transport see transport/http.js
     * @param {import("./following/timers.js").Timers} timers
     */
    constructor(transport, timers) {
        this._transport = transport;
        this._timers = timers;
        this._connection = new Connection(timers.wall());
        this._events = new EventList();
        this._context = {
            timers,
            announcer: new Announcer(find("announcements"), find("alarms"), timers),
            board: new Board(),
            selection: new Selection(),
            ask: (...request) =>
                transport.ask(...request).catch((error) => Promise.reject(asFailure(error))),
            refresh: () => this._work.status.askNow(),
            retry: () => void this.start(),
        };
        this._views = makeViews(this._context, transport, this._connection, this._events);
        this._work = makeWork(this._context, transport, this);
        this._hearing = new Hearing(timers, this._events, {
            say: (event) => this._context.announcer.hear(event),
            show: () => this._views.events.update(),
        });
        this._cancelStart = () => {};
        document.addEventListener("visibilitychange", () => this._appear());
    }

    /** Begin, or try again what has failed. */
    async start() {
        this._cancelStart();
        try {
            await this._transport.begin();
        } catch (error) {
            this.lose(asFailure(error), BEGIN_PAUSE);
            this._cancelStart = this._timers.after(BEGIN_PAUSE, () => void this.start());
            return;
        }
        const { status, rates, hosts, listener } = this._work;
        status.askNow();
        listener.followNow();
        rates.askNow();
        hosts.askNow();
        void this._views.check.runOnce();
        this._transport.about().then(
            (about) => this._name(about),
            () => {},
        );
    }

    /** Count seconds, from now on. */
    count() {
        countSeconds(this._timers, {
            tick: () => Object.values(this._views).forEach((view) => view.tick?.()),
            wake: () => this._context.refresh(),
        });
    }

    /** Show a new status. */
    learn(status, asked) {
        const wasBlind = this._connection.canRetry;
        const { doors, openings, form, events, chart, header } = this._views;
        this._context.board.learn(status, asked);
        this._connection.answered(this._timers.wall());
        setAttributes(find("main"), { "data-known": "true" });
        header.tick();
        doors.update(this._context.board);
        openings.update();
        form.update();
        events.offerDoors();
        chart.updateTotal();
        if (wasBlind) {
            this._work.listener.followNow();
            this._work.rates.askNow();
        }
        if (!status.openings.length && this._context.selection.cursors.length) {
            this._context.selection.choose({}); // nothing is left on that page
            this._context.refresh();
        }
    }

    /** Show that the daemon does not answer; it is asked again after a pause. */
    lose(failure, pause) {
        this._connection.failed(failure, this._timers.wall() + pause);
        this._views.header.tick();
    }

    /** Show that events arrive from now on. */
    follow() {
        this._hearing.begin();
        this.deafen("");
        this._views.events.explain(this._work.listener.lastId ? "" : NO_PAST);
    }

    /** Show why no events arrive; "" if they do. */
    deafen(sentence) {
        this._connection.hearing(sentence);
        if (sentence) {
            this._context.refresh(); // if the daemon is away, that is what the page says
        } else {
            this._views.header.tick();
        }
    }

    /** Take in an event. */
    hear(sent) {
        const event = this._hearing.take(sent);
        if (CHANGES.has(event.event)) {
            this._work.status.askSoon();
        }
    }

    /** Whether nobody can see the page now. */
    isHidden() {
        return document.hidden;
    }

    /** Show new rates. */
    chart(answer) {
        this._views.chart.update(answer);
    }

    /** Say why there are no rates; if the daemon is away, the head of the page says it. */
    missRates(failure) {
        if (!this._connection.canRetry) {
            this._views.chart.explain(failure.sentence);
        }
    }

    /** Ask for the hosts of the fleet. */
    askHosts() {
        return this._views.hosts.run();
    }

    /** Whether this host belongs to a fleet. */
    hasFleet() {
        return this._views.hosts.isShown;
    }

    /** Show what is new, if the page can be seen again. */
    _appear() {
        if (!this.isHidden()) {
            this._context.refresh();
        }
    }

    _name(about) {
        this._views.header.name(about.host ?? "");
        this._views.form.know(about.address ?? "");
    }
}
