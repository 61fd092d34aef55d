/**
 * Two small charts: knocks that were heard, and what was dropped before. Their scales differ by
 * orders of magnitude under attack, so they do not share one.
 * @module
 */

import { describeDropped, formatRate, listMinutes, makeLines } from "../model/rates.js";
import { formatCount } from "../model/text.js";
import { formatClock, formatMoment } from "../model/times.js";
import { find, make, makeSVG, setAttributes, setText, show } from "./elements.js";
import { Notice } from "./notice.js";

const WIDTH = 450;
const HEIGHT = 60;

export class ChartView {
    /**
     * @param {import("../context.js").Context} context
     */
    constructor(context) {
        this._context = context;
        this._notice = new Notice(find("knocks-notice"), context.timers, context.announcer);
        this._heard = new Chart("heard", "Heard");
        this._dropped = new Chart("dropped", "Dropped before they were heard");
        find("knocks-charts").append(this._heard.element, this._dropped.element);
    }

    /** Show new rates. */
    update(answer) {
        const now = this._context.timers.wall();
        const { heard, dropped } = makeLines(answer);
        this._notice.clear();
        this._heard.update(heard, now);
        this._dropped.update(dropped, now);
        find("knock-rows").replaceChildren(
            ...listMinutes(answer).map((each) => makeRow(each, now)),
        );
        this._show(true);
    }

    /** Show what was dropped since the daemon's start. */
    updateTotal() {
        const text = describeDropped(this._context.board.status.counters.dropped ?? {});
        setText(find("knocks-total"), `Dropped since the daemon's start: ${text}.`);
        show(find("knocks-total"), text !== "");
    }

    /** Say why there is no chart. */
    explain(sentence) {
        this._notice.note(sentence);
        this._show(false);
    }

    _show(isKnown) {
        show(find("knocks-charts"), isKnown);
        show(find("knocks-figures"), isKnown);
    }
}

class Chart {
    constructor(name, title) {
        this._area = makeSVG("path", { class: "area" });
        this._line = makeSVG("path", { class: "line" });
        this._words = make("span", { id: `knocks-${name}` });
        this._top = make("span", { class: "top", "aria-hidden": "true" });
        const viewBox = `0 0 ${WIDTH} ${HEIGHT}`;
        this._svg = makeSVG("svg", { viewBox, preserveAspectRatio: "none", role: "img" });
        const grid = [1 / 3, 2 / 3].map((share) => {
            const x = Math.round(share * WIDTH);
            return makeSVG("line", { class: "grid", x1: x, x2: x, y1: 0, y2: HEIGHT });
        });
        this._svg.append(...grid, this._area, this._line);
        const axis = ["15m ago", "10m", "5m", "now"].map((text) => make("span", {}, text));
        this._title = title;
        this.element = make(
            "figure",
            { "data-chart": name },
            make("figcaption", {}, make("strong", {}, title), " ", this._words),
            make("div", { class: "plot" }, this._svg, this._top),
            make("div", { class: "axis", "aria-hidden": "true" }, ...axis),
        );
    }

    update(line, now) {
        const words = line.describe(now);
        setText(this._words, words);
        setText(this._top, `${formatRate(line.top)}/s`);
        setAttributes(this._svg, { "aria-label": `${this._title}: ${words}` });
        setAttributes(this._area, { d: line.draw(WIDTH, HEIGHT, true) });
        setAttributes(this._line, { d: line.draw(WIDTH, HEIGHT, false) });
    }
}

function makeRow(minute, now) {
    const { time, heard, opened, refused, dropped } = minute;
    const attributes = { datetime: time.toISOString(), title: formatMoment(time) };
    const counts = [heard, opened, refused, dropped];
    return make(
        "tr",
        {},
        make("th", { scope: "row" }, make("time", attributes, formatClock(time, now))),
        ...counts.map((count) => make("td", {}, formatCount(count))),
    );
}
