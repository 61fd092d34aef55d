/**
 * A menu for how long a door opens, with a field for another time.
 * @module
 */

import { ANOTHER, listTimes, readTime } from "../model/choices.js";
import { make, setAttributes, setChoices, show } from "./elements.js";

export class TimeField {
    /**
     * @param {HTMLElement} parent
     * @param {string} id a prefix for the ids of the menu and of the field
     */
    constructor(parent, id) {
        this._menu = make("select", { id: `${id}-menu` });
        this._text = make("input", {
            id: `${id}-other`,
            autocomplete: "off",
            spellcheck: "false",
            "aria-describedby": `${id}-hint`,
        });
        this._other = make(
            "p",
            { class: "field" },
            make("label", { for: `${id}-other` }, "Time"),
            this._text,
            make("span", { id: `${id}-hint`, class: "hint" }, "such as 45s, 10m, 8h, 7d or 1h30m"),
        );
        const label = make("label", { for: `${id}-menu` }, "For how long, from now");
        parent.append(make("p", { class: "field" }, label, this._menu), this._other);
        this._menu.addEventListener("change", () => this._showOther());
        this._showOther();
    }

    /**
     * Offer the times of a door.
     * @param {import("../model/doors.js").Door | undefined} door
     * @param {number} [left] seconds that it is open anyway
     */
    offer(door, left = 0) {
        this._door = door;
        setChoices(this._menu, door ? listTimes(door, left) : []);
        this._showOther();
    }

    /**
     * Return the seconds that the operator wants, and what is wrong with them.
     * @returns {{seconds: number, fault: string}}
     */
    read() {
        const wanted = readTime(this._menu.value, this._text.value, this._door);
        setAttributes(this._text, { "aria-invalid": wanted.fault ? "true" : false });
        return wanted;
    }

    /** Put the focus where a time can be chosen. */
    focus() {
        (this._other.hidden ? this._menu : this._text).focus();
    }

    _showOther() {
        show(this._other, this._menu.value === ANOTHER);
    }
}
