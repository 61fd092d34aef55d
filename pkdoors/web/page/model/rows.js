/**
 * Which rows of a list stay where they are when the list changes. A row that moves loses the focus,
 * and the place of the reader; so as few as possible do. Pure.
 * @module
 */

/**
 * Return the keys that need not move: the longest run of them that has the wanted order already.
 * @param {string[]} shown the keys in their present order
 * @param {string[]} wanted the keys in the order that is wanted
 * @returns {Set<string>}
 */
export function findStaying(shown, wanted) {
    const places = new Map(wanted.map((key, place) => [key, place]));
    const kept = shown.filter((key) => places.has(key));
    // Patience sorting: ends[n] is the number of the last key of the best run of n + 1 keys.
    const ends = [];
    const before = kept.map((key, number) => {
        const place = places.get(key);
        let low = 0;
        let high = ends.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (places.get(kept[ends[middle]]) < place) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        ends[low] = number;
        return low > 0 ? ends[low - 1] : -1;
    });
    const staying = new Set();
    for (let number = ends.at(-1) ?? -1; number >= 0; number = before[number]) {
        staying.add(kept[number]);
    }
    return staying;
}

/**
 * Return the key of the row that gets the focus when the row that has it vanishes: the next one
 * that is still there, or else the one before.
 * @param {string[]} shown the keys in the order before
 * @param {string} lost
 * @param {Set<string>} wanted
 * @returns {string | undefined}
 */
export function findHeir(shown, lost, wanted) {
    const place = shown.indexOf(lost);
    const after = shown.slice(place + 1).find((key) => wanted.has(key));
    return after ?? shown.slice(0, Math.max(0, place)).findLast((key) => wanted.has(key));
}
