import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const PAGE = new URL("../../../pkdoors/web/page/", import.meta.url);

test("every module can be read, and what it imports exists; only the first two need a browser", async () => {
    const names = readdirSync(PAGE, { recursive: true }).filter((name) => name.endsWith(".js"));
    assert.ok(names.length > 30);
    for (const name of names) {
        if (["main.js", "start.js"].includes(name)) {
            await assert.rejects(import(new URL(name, PAGE)), /(window|getComputedStyle) is not defined/);
        } else {
            await import(new URL(name, PAGE));
        }
    }
});
