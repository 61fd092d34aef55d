/**
 * What `pkdoors check` finds on the host.
 * @module
 */

import { sortFindings, splitRemedy, summarize } from "../model/findings.js";
import { clean, countOf } from "../model/text.js";
import { find, make, mark, setAttributes, setText, show } from "./elements.js";
import { Asking } from "./asking.js";

export class CheckView {
    /**
     * @param {import("../context.js").Context} context
     * @param {{check: () => Promise<object[]>}} transport
     */
    constructor(context, transport) {
        this._asking = new Asking(context, "check", {
            busy: "checking",
            ask: () => transport.check(),
            show: (findings) => showFindings(findings),
        });
    }

    /** Check now, unless there is an answer. */
    async runOnce() {
        if (!this._asking.hasAnswer) {
            await this._asking.run();
        }
    }

    /** Say how long ago the check was. */
    tick() {
        this._asking.tick();
    }
}

function showFindings(findings) {
    const sorted = sortFindings(findings);
    const good = sorted.filter(({ level }) => level === "OK");
    const others = sorted.filter(({ level }) => level !== "OK");
    find("finding-list").replaceChildren(...others.map(makeFinding));
    find("finding-good-list").replaceChildren(...good.map(makeFinding));
    setText(find("check-good-summary"), `${countOf(good.length, "thing")} in order`);
    show(find("check-good"), good.length > 0);
    setAttributes(find("check"), { "data-found": sorted.length });
    return summarize(sorted);
}

function makeFinding({ level, subject, text, remedy }) {
    const head = make("p", {}, make("strong", { class: "level" }, level), " ");
    head.append(make("b", {}, clean(subject)), ": ", ...mark(text));
    const item = make("li", { "data-level": level }, head);
    if (remedy) {
        const lines = splitRemedy(remedy).map((line) => make("span", {}, ...mark(line)));
        item.append(make("p", { class: "remedy" }, ...lines));
    }
    return item;
}
