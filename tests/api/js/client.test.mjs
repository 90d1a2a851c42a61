// SPDX-License-Identifier: Apache-2.0
// The official JavaScript client, unmodified. test_js_client.py starts the server and this.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import test from "node:test";
import Replicate from "replicate";

const { url, token, version, folder } = JSON.parse(process.env.BERTH_TEST_HOUSE);
const replicate = new Replicate({ auth: token, baseUrl: `${url}/v1` });
const MODEL = "some-org/some-model";
const values = (name, more) => ({ name, model: MODEL, version, hardware: "cpu-small", min_instances: 0, max_instances: 1, ...more });

let made;
const deployment = () => (made ??= replicate.deployments.create(values("for-js")));

// Asks until the condition holds; the test's own time limit ends it.
async function waitFor(condition) {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("account and hardware", async () => {
    assert.deepEqual(await replicate.accounts.current(), {
        type: "organization", username: "acme", name: "Acme Corp", github_url: "https://example.com/acme",
    });
    const hardware = await replicate.hardware.list();
    assert.ok(hardware.some((row) => row.sku === "gpu-t4" && row.name === "Nvidia T4 GPU"));
});

test("deployments", async () => {
    const one = await replicate.deployments.create(values("js-made", { max_instances: 2 }));
    assert.equal(one.owner, "acme");
    assert.equal(one.current_release.number, 1);
    assert.equal(one.current_release.created_by.username, "acme");
    assert.equal(one.current_release.configuration.max_instances, 2);
    assert.deepEqual(await replicate.deployments.get("acme", "js-made"), one);
    const changed = await replicate.deployments.update("acme", "js-made", { max_instances: 1 });
    assert.equal(changed.current_release.number, 2);
    const { results } = await replicate.deployments.list();
    assert.ok(results.some((row) => row.name === "js-made"));
    await assert.rejects(replicate.deployments.create(values("js-made")), (error) => error.response.status === 409);
    assert.equal(await replicate.deployments.delete("acme", "js-made"), true);
    await assert.rejects(replicate.deployments.get("acme", "js-made"), (error) => error.response.status === 404);
});

test("predictions of a deployment", async () => {
    await deployment();
    const waited = await replicate.deployments.predictions.create("acme", "for-js", {
        input: { mode: "words", steps: 2 }, wait: true,
    });
    assert.equal(waited.status, "succeeded");
    assert.deepEqual(waited.output, ["hello0 ", "hello1 "]);
    const later = await replicate.deployments.predictions.create("acme", "for-js", { input: { text: "later" } });
    assert.equal(later.status, "starting");
    const ended = await replicate.wait(later, { interval: 20 });
    assert.deepEqual([ended.status, ended.output], ["succeeded", ["later"]]);
});

test("run, blocking and polling", async () => {
    const input = { mode: "words", steps: 2 };
    assert.equal((await replicate.run(MODEL, { input })).join(""), "hello0 hello1 ");
    assert.equal((await replicate.run(`${MODEL}:${version}`, { input, wait: { mode: "poll", interval: 20 } })).join(""),
                 "hello0 hello1 ");
});

test("run, the client loaded as CommonJS", async () => {
    const Common = createRequire(import.meta.url)("replicate");
    const other = new Common({ auth: token, baseUrl: `${url}/v1` });
    assert.equal((await other.run(`${MODEL}:${version}`, { input: { text: "required" } })).join(""), "required");
});

test("run of one that fails", async () => {
    await assert.rejects(replicate.run(`${MODEL}:${version}`, { input: { mode: "raise", text: "js" } }), /broken on js/);
});

test("run that outlives the wait", async () => {
    const file = join(folder, "js-go");
    const running = replicate.run(`${MODEL}:${version}`, {
        input: { mode: "wait", file }, wait: { mode: "block", timeout: 1, interval: 20 },
    }, (progress) => {
        // Told with every poll; the wait ran out when the first came.
        if (progress.status === "processing" && !existsSync(file)) writeFileSync(file, "");
    });
    assert.deepEqual(await running, ["begin ", "end"]);
});

test("cancel", async () => {
    await deployment();
    const one = await replicate.deployments.predictions.create("acme", "for-js", {
        input: { mode: "wait", file: join(folder, "js-never") },
    });
    await waitFor(async () => (await replicate.predictions.get(one.id)).status === "processing");
    const canceled = await replicate.predictions.cancel(one.id);
    assert.equal(canceled.id, one.id);
    assert.equal((await replicate.wait(one, { interval: 20 })).status, "canceled");
});

test("wrong input", async () => {
    await deployment();
    await assert.rejects(replicate.deployments.predictions.create("acme", "for-js", { input: { steps: 0 } }),
                         (error) => error.response.status === 422 && /Must be greater than or equal to 1/.test(error.message));
});

test("models and versions", async () => {
    const model = await replicate.models.create("acme", "js-model", { visibility: "private", hardware: "cpu", description: "d" });
    assert.equal(model.description, "d");
    const found = await replicate.models.get("some-org", "some-model");
    assert.equal(found.latest_version.id, version);
    const { results } = await replicate.models.versions.list("some-org", "some-model");
    assert.deepEqual(results.map((row) => row.id), [version]);
    const one = await replicate.models.versions.get("some-org", "some-model", version);
    assert.equal(one.openapi_schema.components.schemas.Input.properties.steps.maximum, 100000);
    const search = await replicate.models.search("some-model");
    assert.ok(search.results.some((row) => row.name === "some-model"));
});

test("predictions by version and their list", async () => {
    const one = await replicate.predictions.create({ version, input: { text: "v" }, wait: true });
    assert.deepEqual([one.status, one.output], ["succeeded", ["v"]]);
    const { results } = await replicate.predictions.list();
    assert.ok(results.some((row) => row.id === one.id));
});

test("three pages of predictions", async () => {
    await replicate.deployments.create(values("js-pages", { hardware: "gpu-h100-8x" }));
    const ids = [];
    for (let index = 0; index < 210; index++)
        ids.push((await replicate.deployments.predictions.create("acme", "js-pages", { input: { text: `${index}` } })).id);
    const seen = [];
    let pages = 0;
    for await (const batch of replicate.paginate(replicate.predictions.list)) {
        pages++;
        seen.push(...batch.map((row) => row.id));
    }
    assert.ok(pages >= 3);
    assert.deepEqual(seen.slice(0, 210), ids.reverse());
    assert.equal(new Set(seen).size, seen.length);
    await replicate.deployments.update("acme", "js-pages", { max_instances: 0 });
});

test("three pages of deployments", async () => {
    const names = [];
    for (let index = 0; index < 55; index++) {
        names.push(`js-${String(index).padStart(2, "0")}`);
        await replicate.deployments.create(values(names.at(-1)));
    }
    const seen = [];
    let pages = 0;
    for await (const batch of replicate.paginate(replicate.deployments.list)) {
        pages++;
        seen.push(...batch.map((row) => row.name));
    }
    assert.ok(pages >= 3);
    assert.deepEqual(seen.slice(0, 55), names.reverse());
});

test("a wrong token", async () => {
    const other = new Replicate({ auth: `r8_${"x".repeat(37)}`, baseUrl: `${url}/v1` });
    await assert.rejects(other.accounts.current(), (error) => error.response.status === 401);
});
