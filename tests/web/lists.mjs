// SPDX-License-Identifier: Apache-2.0
// Many deployments and many predictions: the lists are there, and say how long they took.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();

// From the navigation on until the data is painted, and the server's part of it.
async function time(what, address, ready) {
    await page.goto(world.url + address, { waitUntil: 'commit' });
    const seen = await page.waitForFunction(() => window.berthPainted).then((handle) => handle.jsonValue());
    await ready();
    const [painted, answered] = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
        const calls = performance.getEntriesByType('resource').filter((one) => one.name.includes('/v1/'));
        resolve([performance.now(), Math.max(0, ...calls.filter((c) => !c.name.includes('/events')).map((c) => c.responseEnd - c.requestStart))]);
    }))));
    console.log(`${what}: rows painted after ${seen.toFixed(0)} ms, all of them after ${painted.toFixed(0)} ms; the slowest answer took ${answered.toFixed(0)} ms`);
}

// The frame after the one in which the first row stands in the page.
await page.addInitScript(() => {
    const look = () => {
        if (document.querySelector('main tbody tr a[href]')) requestAnimationFrame((at) => { window.berthPainted = at; });
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
});
await signIn(page, '/account');
await settled(page);
for (let i = 0; i < 3; i++) {
    await time('200 deployments', '/deployments', () => page.getByText('many-150', { exact: false }).first().waitFor());
}
await shot(page, 'many-deployments');
assert.equal(new Set(await page.locator('main a[href^="/deployments/acme/many-"]').evaluateAll((all) => all.map((a) => a.pathname))).size, 200);
for (let i = 0; i < 3; i++) {
    await time('10,000 predictions', '/deployments/acme/many-0/predictions', () => page.locator('main a[href^="/p/"]').nth(20).waitFor());
}
await shot(page, 'many-predictions');
await done(NOBODY, REFUSED);
