/**
 * Calls functions of the page, for tests in Python: standard input has a list of calls as JSON, each a
 * list with the function's name and its arguments; standard output gets the list of what they return.
 * @module
 */

import { readFileSync, writeSync } from "node:fs";

import * as doors from "../../../../pkdoors/web/page/model/doors.js";
import * as durations from "../../../../pkdoors/web/page/model/durations.js";
import * as events from "../../../../pkdoors/web/page/model/events.js";
import * as hosts from "../../../../pkdoors/web/page/model/hosts.js";
import * as openings from "../../../../pkdoors/web/page/model/openings.js";
import * as rates from "../../../../pkdoors/web/page/model/rates.js";

const functions = { ...doors, ...durations, ...events, ...hosts, ...openings, ...rates };
const calls = JSON.parse(readFileSync(0, "utf8"));
writeSync(1, JSON.stringify(calls.map(([name, ...rest]) => functions[name](...rest))));
