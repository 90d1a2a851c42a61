// SPDX-License-Identifier: Apache-2.0
// What an instance says while it boots is there as it comes, and is asked for only when there is more.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
let asked = 0;
let last = -1;
const steps = () => page.locator('.log-lines').innerText().then((text) => [...text.matchAll(/step (\d+) of/g)].map((m) => Number(m[1])));

page.on('request', (request) => { asked += /\/instances\/[^/]+\/log$/.test(request.url()); });
await signIn(page, `/deployments/acme/${world.deployment}/logs`);
await settled(page);
await page.getByText('setting up').first().waitFor();
await page.locator('.log-lines').getByText(/^step \d+ of/).first().waitFor();
for (let i = 0; i < 3; i++) {
    const before = last;
    last = Math.max(...await steps());
    assert.ok(last > before);
    await page.waitForFunction((n) => document.querySelector('.log-lines')?.textContent.includes(`step ${n + 1} of`), last);
}
await shot(page, 'booting');
assert.ok(asked <= last + 10, `${asked} times for ${last} lines`);
await done(NOBODY, REFUSED);
