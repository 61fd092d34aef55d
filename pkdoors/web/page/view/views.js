/**
 * The parts of the page.
 * @module
 */

import { ChartView } from "./chartview.js";
import { CheckView } from "./checkview.js";
import { DoorsView } from "./doorsview.js";
import { EventsView } from "./eventsview.js";
import { ExtendDialog } from "./extenddialog.js";
import { Header } from "./header.js";
import { HostsView } from "./hostsview.js";
import { OpenForm } from "./openform.js";
import { OpeningsView } from "./openingsview.js";

/**
 * Return all parts. Those that count have a method `tick`.
 * @param {import("../context.js").Context} context
 * @param {object} transport see transport/http.js
 * @param {import("../model/connection.js").Connection} connection
 * @param {import("../model/eventlist.js").EventList} events
 */
export function makeViews(context, transport, connection, events) {
    const dialog = new ExtendDialog(context);
    return {
        header: new Header(context, connection),
        doors: new DoorsView(),
        dialog,
        openings: new OpeningsView(context, dialog),
        form: new OpenForm(context),
        events: new EventsView(context, events),
        chart: new ChartView(context),
        check: new CheckView(context, transport),
        hosts: new HostsView(context, transport),
    };
}
