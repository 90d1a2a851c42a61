// SPDX-License-Identifier: Apache-2.0
// The network is cut: the page says so, keeps what it shows, and goes on when it is back. While nobody looks at the page it
// listens to nothing.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, open, predict, settled, shot, signIn, world } from './browser.mjs';

const { page, context, done } = await open();

await signIn(page, `/deployments/acme/${world.deployment}`);
await settled(page);
await context.setOffline(true);
await page.getByText('The server cannot be reached').first().waitFor();
await page.getByRole('heading', { level: 1 }).first().waitFor();
await shot(page, 'network-cut');
await context.setOffline(false);
await page.getByText('The server cannot be reached').first().waitFor({ state: 'detached' });
await page.getByLabel(/^text/i).fill('again');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByText('hello there, again').first().waitFor();

const stream = (request) => request.url().includes('/v1/events');
const look = (hidden) => page.evaluate((is) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
    document.dispatchEvent(new Event('visibilitychange'));
}, hidden);
const ended = Promise.race([page.waitForEvent('requestfailed', stream), page.waitForEvent('requestfinished', stream)]);
ended.catch(() => {});
await look(true);
await ended;
const asked = [];
const note = (request) => asked.push(request.url());
page.on('request', note);
await predict(`/deployments/acme/${world.deployment}`, { text: 'meanwhile' });
page.off('request', note);
assert.deepEqual(asked.filter((url) => url.includes('/v1/events')), []);
const again = page.waitForRequest(stream);
await look(false);
await again;
await done(NOBODY, REFUSED, /ERR_INTERNET_DISCONNECTED|ERR_NETWORK/);
