/**
 * Starts the page, which `pkdoors web` serves, or Cockpit.
 * @module
 */

import { browserTimers } from "./following/timers.js";
import { Page } from "./page.js";
import { chooseTransport } from "./transport/choose.js";

const transport = await chooseTransport(window);
const page = new Page(transport, browserTimers);
page.count();
transport.onChange?.(() => void page.start());
void page.start();
