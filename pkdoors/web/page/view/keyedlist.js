/**
 * Rows with keys, changed in place: a row that stays keeps its elements, and the focus in them.
 * @module
 */

import { findHeir, findStaying } from "../model/rows.js";

export class KeyedList {
    /**
     * @param {Element} parent has the rows as its children, and nothing else
     * @param {object} work
     * @param {(item: any) => string} work.keyOf
     * @param {(item: any) => Element} work.make makes a row
     * @param {(row: Element, item: any) => void} work.update
     * @param {(row: Element) => void} [work.forget] called with each row that vanishes
     * @param {(row: Element | null) => void} [work.passFocus] called if the row with the focus has
     *     vanished, with the row that takes its place
     */
    constructor(parent, work) {
        this._parent = parent;
        this._work = { forget: () => {}, passFocus: () => {}, ...work };
        /** @type {Map<string, Element>} */
        this._rows = new Map();
        this._keys = [];
    }

    /**
     * Show other items.
     * @param {any[]} items
     */
    update(items) {
        const focused = this._parent.ownerDocument.activeElement;
        const before = this._keys;
        const wanted = items.map(this._work.keyOf);
        const heir = this._remove(new Set(wanted), focused);
        this._place(items, wanted, findStaying(before, wanted));
        this._keys = wanted;
        if (heir !== undefined) {
            this._work.passFocus(this._rows.get(heir.key) ?? null);
        } else if (focused && this._parent.contains(focused)) {
            this._focusAgain(focused);
        }
    }

    /** Return the row of an item; undefined if it is not shown. */
    row(key) {
        return this._rows.get(key);
    }

    /** Remove the rows that nobody wants; return who gets the focus, if one of them had it. */
    _remove(wanted, focused) {
        let heir;
        for (const key of this._keys) {
            if (!wanted.has(key)) {
                const row = this._rows.get(key);
                if (focused && row.contains(focused)) {
                    heir = { key: findHeir(this._keys, key, wanted) };
                }
                row.remove();
                this._work.forget(row);
                this._rows.delete(key);
            }
        }
        return heir;
    }

    /** Put the rows in order, from the last one on: each is placed before the one that follows. */
    _place(items, wanted, staying) {
        let next = null;
        for (let number = wanted.length - 1; number >= 0; number -= 1) {
            const key = wanted[number];
            const row = this._rows.get(key) ?? this._work.make(items[number]);
            this._rows.set(key, row);
            if (
                !staying.has(key) &&
                (row.parentNode !== this._parent || row.nextElementSibling !== next)
            ) {
                this._parent.insertBefore(row, next);
            }
            this._work.update(row, items[number]);
            next = row;
        }
    }

    _focusAgain(focused) {
        if (this._parent.ownerDocument.activeElement !== focused) {
            focused.focus({ preventScroll: true });
        }
    }
}
