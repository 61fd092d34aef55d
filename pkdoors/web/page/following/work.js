/**
 * What the page asks for, and how often.
 * @module
 */

import { UNKNOWN_DOOR } from "../model/selection.js";
import { Failure } from "../transport/failure.js";
import { Listener } from "./listener.js";
import { Poller } from "./poller.js";

/** Milliseconds between two requests for the status: events announce what happens between. */
const STATUS_PAUSE = 2000;
/** The same if there are many openings, which costs the daemon a while, or if nobody looks. */
const LONG_PAUSE = 10_000;
const MANY = 200;
/** Milliseconds between requests that events cause. */
const GAP = 300;
const LONG_GAP = 1000;
/** Milliseconds between two requests for the rates: a step of theirs. */
const RATES_PAUSE = 10_000;
/** Milliseconds between two requests for the hosts of a fleet. */
const HOSTS_PAUSE = 60_000;

/** Statuses with which the daemon refuses a choice of openings: a wrong one, or an unknown door. */
const REFUSALS = new Set([400, UNKNOWN_DOOR]);

const NO_RATES =
    "There are no figures: this daemon is of an earlier version, and does not count knocks over " +
    "time. Restart it after the update of pkdoors.";

/**
 * Return what asks for the status, the rates and the hosts, and what follows the events.
 * @param {import("../context.js").Context} context
 * @param {object} transport see transport/http.js
 * @param {object} page see page.js
 */
export function makeWork(context, transport, page) {
    const { timers, board, selection } = context;
    const isLong = () => board.entries.length > MANY;
    const status = new Poller(timers, {
        ask: () => askStatus(transport, selection),
        onAnswer: (answer, asked) => page.learn(answer, asked / 1000),
        onFailure: (failure, pause) => page.lose(failure, pause),
        choosePause: () => (isLong() || page.isHidden() ? LONG_PAUSE : STATUS_PAUSE),
        chooseGap: () => (isLong() ? LONG_GAP : GAP),
    });
    const rates = new Poller(timers, {
        ask: () => transport.ask("GET", "/rates").catch(explainUnknown),
        onAnswer: (answer) => page.chart(answer),
        onFailure: (failure) => page.missRates(failure),
        choosePause: () => RATES_PAUSE,
    });
    const hosts = new Poller(timers, {
        ask: () => page.askHosts(),
        onAnswer: () => {},
        onFailure: () => {},
        choosePause: () => (page.hasFleet() ? HOSTS_PAUSE : Infinity),
    });
    const listener = new Listener(timers, transport, {
        onBegun: () => page.follow(),
        onEvent: (sent) => page.hear(sent),
        onEnd: (sentence) => page.deafen(sentence),
    });
    return { status, rates, hosts, listener };
}

/** Ask for the status; if the daemon refuses what the operator has chosen, without that. */
async function askStatus(transport, selection) {
    for (;;) {
        const path = selection.query("/status");
        try {
            return await transport.ask("GET", path);
        } catch (failure) {
            if (failure.status === 400 && failure.sentence.includes("unknown argument")) {
                return transport.ask("GET", "/status"); // a daemon of an earlier version
            }
            // What was refused may not be what the operator has chosen by now.
            const isOld = selection.query("/status") !== path;
            if (!REFUSALS.has(failure.status) || !(isOld || selection.relax(failure.status))) {
                throw failure;
            }
        }
    }
}

function explainUnknown(failure) {
    const isUnknown = failure.status === 404;
    throw isUnknown ? new Failure(NO_RATES, { status: 404, isOver: true }) : failure;
}
