// SPDX-License-Identifier: Apache-2.0
// More versions than one page of the API has: both forms that choose one go on to the first that was ever pushed.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const field = page.getByLabel(/^Version/);
const more = page.getByRole('button', { name: 'Show older versions' });
const there = async (count) => {
    await page.waitForFunction((n) => new Set([...document.querySelectorAll('select')].flatMap((s) => [...s.options].map((o) => o.value)).filter((v) => /^[0-9a-f]{64}$/.test(v))).size === n, count);
};

await signIn(page, `/deployments/create?model=acme/${world.model}`);
await settled(page);
await there(100);
await more.click();
await there(world.versions);
await more.waitFor({ state: 'detached' });
await field.selectOption(world.oldest);
assert.equal(await field.inputValue(), world.oldest);
await shot(page, 'older-versions');

await page.goto(`${world.url}/deployments/acme/${world.deployment}/settings`);
await settled(page);
await more.click();
await there(world.versions);
await field.selectOption(world.oldest);
await page.getByText('Makes a new release').waitFor();

// The model's own page has them page by page.
await page.goto(`${world.url}/acme/${world.model}`);
await settled(page);
await page.getByRole('navigation', { name: 'Pages of the list' }).getByRole('button', { name: 'Older' }).click();
await page.getByRole('link', { name: world.oldest.slice(0, 8), exact: true }).waitFor();
await done(NOBODY, REFUSED);
