/**
 * Which rows count down in one second: those that can be seen, and a tenth of the others, for those
 * who read the page without seeing it. A thousand rows would cost a layout of the whole table.
 * @module
 */

/** Ticks until each row that cannot be seen has had one. */
const ROUND = 10;

export class Ticking {
    /**
     * @param {Element} scroll the element in which the rows scroll
     */
    constructor(scroll) {
        this._visible = new Set();
        this._turn = 0;
        this._observer = new IntersectionObserver((changes) => this._see(changes), {
            root: scroll,
        });
    }

    /** Watch a new row. */
    watch(row) {
        this._observer.observe(row);
    }

    /** Forget a row that has vanished. */
    forget(row) {
        this._observer.unobserve(row);
        this._visible.delete(row);
    }

    /**
     * Return the rows that count down now.
     * @param {Element[]} rows
     */
    choose(rows) {
        this._turn = (this._turn + 1) % ROUND;
        return rows.filter(
            (row, number) => this._visible.has(row) || number % ROUND === this._turn,
        );
    }

    _see(changes) {
        for (const { target, isIntersecting } of changes) {
            if (isIntersecting) {
                this._visible.add(target);
                target.openingRow.tick();
            } else {
                this._visible.delete(target);
            }
        }
    }
}
