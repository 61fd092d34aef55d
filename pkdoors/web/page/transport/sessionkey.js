/**
 * Keeps the key of the session, which goes with each request beside the cookie. Browsers send cookies
 * to every port of a host, also to a server of another user of this machine; what they store for a
 * page belongs to its port.
 * @module
 */

/** The name of the header, and of the place in the browser's storage. */
const NAME = "Pkdoors-Key";

export class SessionKey {
    /**
     * @param {() => Storage | undefined} [findStorage] where all tabs of this page find it; the
     *     browser may refuse that, and then it is only kept until the page is loaded again
     */
    constructor(findStorage = () => globalThis.localStorage) {
        this._findStorage = findStorage;
        this._key = "";
    }

    /** Return the headers for a request. */
    headers() {
        // What is stored counts first: another tab may have begun another session, as the cookie has.
        const key = this._withStorage((storage) => storage.getItem(NAME)) || this._key;
        return key ? { [NAME]: key } : {};
    }

    /** @param {string} key of the session that has begun */
    keep(key) {
        this._key = key;
        this._withStorage((storage) => storage.setItem(NAME, key));
    }

    _withStorage(work) {
        try {
            return work(this._findStorage());
        } catch {
            return null; // the user forbids it
        }
    }
}
