/**
 * Makes and changes elements. Text reaches the page only as text.
 * @module
 */

import { clean, splitCode } from "../model/text.js";

/**
 * Return a new element.
 * @param {string} tag
 * @param {Record<string, string | number | boolean>} [attributes] false: without that attribute
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    setAttributes(element, attributes);
    element.append(...children);
    return element;
}

/**
 * Return a new element of SVG.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 */
export function makeSVG(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    setAttributes(element, attributes);
    element.append(...children);
    return element;
}

/**
 * Return the element of the page that has an id.
 * @param {string} id
 * @returns {any}
 */
export function find(id) {
    const element = document.getElementById(id);
    if (!element) {
        throw new Error(`the page has no #${id}`);
    }
    return element;
}

/**
 * Change the text of an element, only if it is another one: a screen reader may read each change.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

/**
 * Return a sentence in pieces, so that commands in it look like commands.
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function mark(text) {
    return splitCode(clean(text)).map((piece) =>
        piece.isCode ? make("code", {}, piece.text) : piece.text,
    );
}

/**
 * Change the sentence of an element, likewise.
 * @param {Element} element
 * @param {string} text
 */
export function setSentence(element, text) {
    if (element.dataset.sentence !== text) {
        element.dataset.sentence = text;
        element.replaceChildren(...mark(text));
    }
}

/**
 * Change attributes, likewise.
 * @param {Element} element
 * @param {Record<string, string | number | boolean>} attributes
 */
export function setAttributes(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === false) {
            element.removeAttribute(name);
        } else {
            const text = value === true ? "" : String(value);
            if (element.getAttribute(name) !== text) {
                element.setAttribute(name, text);
            }
        }
    }
}

/**
 * Show or hide an element.
 * @param {HTMLElement} element
 * @param {boolean} isShown
 */
export function show(element, isShown) {
    if (element.hidden === isShown) {
        element.hidden = !isShown;
    }
}

/**
 * Return a cell of a table that becomes a list on a narrow page: then its roles must be explicit,
 * and the title of its column stands beside it.
 * @param {string} field names the cell
 * @param {string} title
 * @param {...(Node | string)} children
 */
export function makeCell(field, title, ...children) {
    const attributes = { role: "cell", "data-field": field, "data-title": title };
    return make("td", attributes, ...children);
}

/**
 * Set the choices of a menu, and keep the one that is chosen if it still exists.
 * @param {HTMLSelectElement} menu
 * @param {{value: string, text: string, isUseful?: boolean}[]} choices
 */
export function setChoices(menu, choices) {
    const signature = JSON.stringify(choices);
    if (menu.dataset.choices === signature) {
        return;
    }
    const chosen = menu.value;
    const options = choices.map(({ value, text, isUseful }) =>
        make("option", { value, disabled: isUseful === false }, text),
    );
    menu.replaceChildren(...options);
    menu.dataset.choices = signature;
    const usable = options.filter((option) => !option.disabled);
    const kept = usable.find((option) => option.value === chosen) ?? usable[0] ?? options[0];
    if (kept) {
        kept.selected = true;
    }
}
