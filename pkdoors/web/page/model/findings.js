/**
 * What `pkdoors check` has found. Pure.
 * @module
 */

import { countOf } from "./text.js";

/** From bad to good, as the page lists them. */
export const LEVELS = ["ERROR", "WARNING", "INFO", "OK"];

/**
 * Return findings with the worst first; those of one level keep their order.
 * @param {{level: string, subject: string, text: string, remedy: string}[]} findings
 */
export function sortFindings(findings) {
    return [...findings].sort((one, other) => rank(one) - rank(other));
}

const rank = (finding) => LEVELS.indexOf(finding.level);

/**
 * Return the lines of a remedy. A command of several lines has its backquotes in each of them.
 * @param {string} remedy
 */
export function splitRemedy(remedy) {
    const lines = remedy.split("\n");
    if (remedy.split("`").length % 2 === 0) {
        return lines;
    }
    let isInside = false;
    return lines.map((line) => {
        const begin = isInside ? "`" : "";
        isInside = isInside !== (line.split("`").length % 2 === 0);
        return `${begin}${line}${isInside ? "`" : ""}`;
    });
}

/**
 * Return the findings in one line: 1 error, 2 warnings.
 * @param {{level: string}[]} findings
 */
export function summarize(findings) {
    const count = (level) => findings.filter((finding) => finding.level === level).length;
    const [errors, warnings] = [count("ERROR"), count("WARNING")];
    const parts = [];
    if (errors) {
        parts.push(countOf(errors, "error"));
    }
    if (warnings) {
        parts.push(countOf(warnings, "warning"));
    }
    return parts.join(", ") || "all is well";
}
