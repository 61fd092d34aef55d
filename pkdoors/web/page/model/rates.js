/**
 * Knocks over the last quarter of an hour: what the chart draws, and says. Pure.
 * @module
 */

import { formatCount } from "./text.js";
import { formatClock } from "./times.js";

/** Samples that the chart has room for: the daemon keeps as many. */
export const SAMPLES = 90;

/** What was dropped before it was heard, in the words of `pkdoors status`. */
const REASONS = {
    limit: "too many from one source",
    junk: "not knocks",
    overflow: "more than the buffer holds",
};

/**
 * Return a rate with few digits: 0, 0.3, 12, 4,512.
 * @param {number} rate
 */
export function formatRate(rate) {
    return rate > 0 && rate < 10 ? rate.toFixed(1) : formatCount(Math.round(rate));
}

/**
 * Return the two lines of the chart.
 * @param {{step: number, rates: object[]}} answer the answer to GET /rates
 * @returns {{heard: Line, dropped: Line}}
 */
export function makeLines(answer) {
    const last = answer.rates.slice(-SAMPLES);
    const times = last.map((each) => new Date(Date.parse(each.time)));
    const seconds = (each) => each.seconds || answer.step;
    const heard = last.map((each) => each.knocks / seconds(each));
    const dropped = last.map((each) => countDropped(each) / seconds(each));
    return { heard: new Line(heard, times), dropped: new Line(dropped, times) };
}

/** Return how many datagrams a sample counts that were dropped. */
export function countDropped(sample) {
    return Object.keys(REASONS).reduce((sum, reason) => sum + (sample[reason] ?? 0), 0);
}

/** One line of the chart. */
export class Line {
    /**
     * @param {number[]} values for each second, the oldest first
     * @param {Date[]} times the ends of the samples
     */
    constructor(values, times) {
        this.values = values;
        this.times = times;
    }

    get now() {
        return this.values.at(-1) ?? 0;
    }

    get most() {
        return Math.max(0, ...this.values);
    }

    /** The top of the scale: 1, 2 or 5 of a power of ten, at least 1. */
    get top() {
        const power = 10 ** Math.floor(Math.log10(Math.max(1, this.most)));
        return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= this.most);
    }

    /**
     * Return the line in words: 0.3/s now, 2.1/s at most (12:03:10).
     * @param {number} now
     */
    describe(now) {
        if (!this.values.length) {
            return "nothing yet";
        }
        const current = `${formatRate(this.now)}/s now`;
        if (this.most === 0) {
            return `${current}, none in the last quarter of an hour`;
        }
        const when = formatClock(this.times[this.values.indexOf(this.most)], now);
        return `${current}, ${formatRate(this.most)}/s at most, at ${when}`;
    }

    /**
     * Return the points of the line in a box, as an SVG path.
     * @param {number} width
     * @param {number} height
     * @param {boolean} isArea whether the path is closed along the bottom
     */
    draw(width, height, isArea) {
        const step = width / SAMPLES;
        const start = width - step * this.values.length;
        const y = (value) => (height - (height * value) / this.top).toFixed(1);
        const steps = this.values.map((value, number) => {
            const [from, to] = [start + step * number, start + step * (number + 1)];
            return `${from.toFixed(1)} ${y(value)} L${to.toFixed(1)} ${y(value)}`;
        });
        if (!steps.length) {
            return "";
        }
        const line = steps.join(" L");
        return isArea
            ? `M${start.toFixed(1)} ${height} L${line} L${width} ${height} Z`
            : `M${line}`;
    }
}

/**
 * Return the figures of each minute, the newest first, for those who cannot see the chart.
 * @param {{step: number, rates: object[]}} answer
 */
export function listMinutes(answer) {
    const each = Math.max(1, Math.round(60 / answer.step));
    const minutes = [];
    for (let end = answer.rates.length; end > 0; end -= each) {
        const part = answer.rates.slice(Math.max(0, end - each), end);
        const sum = (count) => part.reduce((total, sample) => total + (count(sample) ?? 0), 0);
        minutes.push({
            time: new Date(Date.parse(part.at(-1).time)),
            heard: sum((sample) => sample.knocks),
            opened: sum((sample) => sample.opened),
            refused: sum((sample) => sample.refused),
            dropped: sum(countDropped),
        });
    }
    return minutes;
}

/**
 * Return what was dropped since the daemon's start: 12 too many from one source, 4,512 not knocks.
 * @param {Record<string, number>} dropped
 */
export function describeDropped(dropped) {
    return Object.entries(dropped)
        .filter(([, count]) => count)
        .map(([reason, count]) => `${formatCount(count)} ${REASONS[reason] ?? reason}`)
        .join(", ");
}
