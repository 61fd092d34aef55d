/**
 * Chooses what the page asks: `pkdoors web`, or the daemon through Cockpit, in whose menu the page
 * may be.
 * @module
 */

import { makeCockpitTransport } from "./cockpit.js";
import { followTheme } from "./cockpittheme.js";
import { Failure } from "./failure.js";
import { makeHTTPTransport } from "./http.js";

/** Cockpit serves the page of a package below such a path; `doc/urls.md` of its sources. */
const IN_COCKPIT = /\/cockpit(\+[^/]+)?\/[@$][^/]+\/[^/]+\//;

/**
 * @param {Window} window
 * @returns {Promise<object>} see http.js
 */
export async function chooseTransport(window) {
    const { location, history } = window;
    if (IN_COCKPIT.test(location.pathname)) {
        followTheme(window);
        return loadCockpit(window).then(
            (cockpit) => makeCockpitTransport(cockpit, window),
            (failure) => ({ begin: () => Promise.reject(failure) }),
        );
    }
    const hideToken = () => history.replaceState(null, "", location.pathname);
    const fragment = new Fragment(window);
    return {
        ...makeHTTPTransport(window.fetch.bind(window), fragment, hideToken),
        /** Call back when somebody opens another link in this tab: that does not load the page. */
        onChange: (callback) =>
            window.addEventListener("hashchange", () => fragment.hash && callback()),
    };
}

/** What follows the # in the page's address, unless it leads to a part of the page. */
class Fragment {
    constructor(window) {
        this._window = window;
    }

    get hash() {
        const { document, location } = this._window;
        return document.getElementById(location.hash.slice(1)) ? "" : location.hash;
    }
}

/** Load the part of Cockpit that pages use; it is beside the page's own folder. */
function loadCockpit(window) {
    const { document, location } = window;
    return new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.setAttribute("src", new URL("../base1/cockpit.js", location.href).href);
        script.addEventListener("load", () => resolve(window.cockpit));
        script.addEventListener("error", () => {
            reject(new Failure("Cockpit does not answer: load the page again"));
        });
        document.head.append(script);
    });
}
