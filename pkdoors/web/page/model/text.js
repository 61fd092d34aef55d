/**
 * Text from the network: key comments, reasons, names. Other people have chosen some of it. Pure.
 * @module
 */

/** Letters of one text that the page shows; a longer one is cut. */
export const MAX_TEXT = 400;

/** Characters that end a line, steer the direction of writing, or are invisible. */
const STRANGE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Of a fingerprint, the beginning is enough to recognize the key. */
const FINGERPRINT = /(SHA256:[A-Za-z0-9+/]{8})[A-Za-z0-9+/=]+/g;

/** Numbers as `pkdoors status` writes them: 4,512. */
const COUNT = new Intl.NumberFormat("en-US");

/**
 * Return a text that is fit for one line: strange characters become escapes, so that the reader
 * sees what was there.
 * @param {unknown} text
 * @returns {string}
 */
export function clean(text) {
    const whole = String(text ?? "");
    const cut = whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}...` : whole;
    return cut.replace(STRANGE, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);
}

/**
 * Return a text in which fingerprints of keys are cut.
 * @param {string} text
 */
export function shorten(text) {
    return text.replace(FINGERPRINT, "$1...");
}

/**
 * Return a number with commas.
 * @param {number} number
 */
export function formatCount(number) {
    return COUNT.format(number);
}

/**
 * Return `1 address` or `2 addresses`.
 * @param {number} number
 * @param {string} noun
 * @param {string} ending the ending of the plural
 */
export function countOf(number, noun, ending = "s") {
    return `${formatCount(number)} ${noun}${number === 1 ? "" : ending}`;
}

/**
 * Return a text in pieces: those between backquotes are code.
 * @param {string} text
 * @returns {{text: string, isCode: boolean}[]}
 */
export function splitCode(text) {
    const pieces = text.split("`");
    if (pieces.length % 2 === 0) {
        return [{ text, isCode: false }];
    }
    return pieces
        .map((piece, number) => ({ text: piece, isCode: number % 2 === 1 }))
        .filter((piece) => piece.text !== "");
}
