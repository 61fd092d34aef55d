/**
 * What all parts of the page share.
 * @module
 */

/**
 * @typedef {object} Context
 * @property {import("./following/timers.js").Timers} timers
 * @property {import("./view/announcer.js").Announcer} announcer
 * @property {import("./model/board.js").Board} board
 * @property {import("./model/selection.js").Selection} selection
 * @property {(method: string, path: string, body?: object) => Promise<any>} ask asks the daemon;
 *     fails with a Failure
 * @property {() => void} refresh asks for the status again, soon
 * @property {() => void} retry tries again at once what has failed
 */

export {};
