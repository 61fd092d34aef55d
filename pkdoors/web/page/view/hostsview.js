/**
 * The hosts of the fleet, if there is one.
 * @module
 */

import { formatLength } from "../model/durations.js";
import { describeHostState, listHostTroubles, toneOfHost } from "../model/hosts.js";
import { clean, countOf, formatCount } from "../model/text.js";
import { Asking } from "./asking.js";
import { find, make, makeCell, setAttributes, setText, show } from "./elements.js";
import { KeyedList } from "./keyedlist.js";

export class HostsView {
    /**
     * @param {import("../context.js").Context} context
     * @param {{fleet: () => Promise<object>}} transport
     */
    constructor(context, transport) {
        this._asking = new Asking(context, "fleet", {
            busy: "asking",
            ask: () => transport.fleet(),
            show: (answer) => this._show(answer),
        });
        this._rows = new KeyedList(find("host-rows"), {
            keyOf: (host) => host.host,
            make: makeRow,
            update: updateRow,
        });
    }

    /** Ask now. */
    run() {
        return this._asking.run();
    }

    /** Say how old the answer is. */
    tick() {
        this._asking.tick();
    }

    /** Whether the host belongs to a fleet, as far as the page knows. */
    get isShown() {
        return !find("fleet").hidden;
    }

    /** Show the section, or not. */
    setShown(isShown) {
        show(find("fleet"), isShown);
        show(find("fleet-link"), isShown);
    }

    _show(answer) {
        const hosts = answer.hosts ?? [];
        this.setShown(hosts.length > 0);
        setText(find("fleet-name"), answer.fleet ? `of the fleet ${clean(answer.fleet)}` : "");
        this._rows.update(hosts);
        const down = hosts.filter((host) => !host.up).length;
        return down ? `${countOf(down, "host")} down` : "all are up";
    }
}

function makeRow(host) {
    const name = make(
        "th",
        { role: "rowheader", scope: "row", "data-field": "host" },
        clean(host.host),
    );
    const behind = makeCell("behind", "Behind");
    const state = makeCell("state", "State", make("span"), make("small"));
    const cells = [makeCell("doors", "Doors"), makeCell("open", "Open"), behind];
    const version = makeCell("version", "pkdoors");
    return make("tr", { role: "row", "data-host": host.host }, name, state, ...cells, version);
}

function updateRow(row, host) {
    const [, state, doors, open, behind, version] = row.children;
    setAttributes(row, { "data-tone": toneOfHost(host) });
    setText(state.firstChild, describeHostState(host));
    setText(state.lastChild, listHostTroubles(host).join("; "));
    setText(doors, host.up ? clean(host.doors.join(", ")) || "none" : "-");
    setText(open, host.up ? formatCount(host.openings) : "-");
    setText(behind, host.up && host.seconds_behind ? formatLength(host.seconds_behind) : "-");
    setText(version, clean(host.version) || "-");
}
