/**
 * As much of a document as rows, buttons, menus, live regions and dialogs need. Like a browser's, an
 * element that is moved or removed loses the focus.
 * @module
 */

export class FakeDocument {
    constructor() {
        this.body = new FakeElement(this);
        this.activeElement = this.body;
        this._named = new Map();
    }

    createElement() {
        return new FakeElement(this);
    }

    /** Return the element with an id: it has each that somebody asks for. */
    getElementById(id) {
        if (!this._named.has(id)) {
            const element = this.createElement();
            this.body.append(element);
            this._named.set(id, element);
        }
        return this._named.get(id);
    }
}

export class FakeElement {
    constructor(ownerDocument) {
        this.ownerDocument = ownerDocument;
        this.parentNode = null;
        this.children = [];
        this.attributes = new Map();
        this.dataset = {};
        this.hidden = false;
        /** Of a dialog: whether it is shown. */
        this.open = false;
        /** How often it was inserted somewhere. */
        this.moves = 0;
        this._text = "";
        this._listeners = new Map();
    }

    get textContent() {
        return this._text + this.children.map((child) => child.textContent).join("");
    }

    set textContent(text) {
        this.replaceChildren();
        this._text = text;
    }

    /** Of a field: what it has. Of a menu: what is chosen. Of a choice: what it stands for. */
    get value() {
        return this._value ?? this.attributes.get("value") ?? "";
    }

    set value(value) {
        this._value = value;
    }

    get disabled() {
        return this.attributes.has("disabled");
    }

    set selected(isSelected) {
        this.parentNode.value = isSelected ? this.value : "";
    }

    get parentElement() {
        return this.parentNode;
    }

    get nextElementSibling() {
        const siblings = this.parentNode?.children ?? [];
        return siblings[siblings.indexOf(this) + 1] ?? null;
    }

    get isConnected() {
        return this.ownerDocument.body.contains(this);
    }

    contains(element) {
        return element === this || this.children.some((child) => child.contains(element));
    }

    insertBefore(element, next) {
        element.remove();
        const place = next === null ? this.children.length : this.children.indexOf(next);
        this.children.splice(place, 0, element);
        element.parentNode = this;
        element.moves += 1;
        return element;
    }

    replaceChildren(...children) {
        [...this.children].forEach((child) => child.remove());
        this._text = "";
        this.append(...children);
    }

    append(...children) {
        children.forEach((child) => this.insertBefore(this._asElement(child), null));
    }

    _asElement(child) {
        return child instanceof FakeElement
            ? child
            : Object.assign(this.ownerDocument.createElement(), { textContent: child });
    }

    remove() {
        if (this.parentNode) {
            if (this.contains(this.ownerDocument.activeElement)) {
                this.ownerDocument.activeElement = this.ownerDocument.body;
            }
            this.parentNode.children.splice(this.parentNode.children.indexOf(this), 1);
            this.parentNode = null;
        }
    }

    focus() {
        this.ownerDocument.activeElement = this;
    }

    getAttribute(name) {
        return this.attributes.get(name) ?? null;
    }

    setAttribute(name, value) {
        this.attributes.set(name, value);
    }

    removeAttribute(name) {
        this.attributes.delete(name);
    }

    showModal() {
        this.open = true;
    }

    close() {
        if (this.open) {
            this.open = false;
            this.dispatch("close");
        }
    }

    addEventListener(kind, hear) {
        this._listeners.set(kind, [...(this._listeners.get(kind) ?? []), hear]);
    }

    /** Make an event happen. */
    dispatch(kind, about = {}) {
        (this._listeners.get(kind) ?? []).forEach((hear) => hear(about));
    }
}
