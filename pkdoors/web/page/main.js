/**
 * Starts the page that `pkdoors web` serves.
 * @module
 */

import { browserTimers } from "./following/timers.js";
import { Page } from "./page.js";
import { makeHTTPTransport } from "./transport/http.js";

const hideToken = () => history.replaceState(null, "", location.pathname);
const transport = makeHTTPTransport(window.fetch.bind(window), location, hideToken);
const page = new Page(transport, browserTimers);
page.count();
void page.start();
