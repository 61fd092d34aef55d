/**
 * Follows what the user chooses in Cockpit's menu: light, dark, or what the system has. As in
 * Cockpit's own pages (`pkg/lib/cockpit-dark-theme`), the choice is in the browser's storage, and
 * the frame around the page reports a change.
 * @module
 */

const KEY = "shell:style";

/**
 * @param {Window} window
 */
export function followTheme(window) {
    const root = window.document.documentElement;
    const show = (style) => {
        root.style.colorScheme = style === "light" || style === "dark" ? style : "";
    };
    const read = () => show(window.localStorage.getItem(KEY));
    window.addEventListener("storage", (event) => event.key === KEY && read());
    window.addEventListener("cockpit-style", (event) => show(event.detail?.style));
    read();
}
