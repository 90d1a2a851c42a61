// SPDX-License-Identifier: Apache-2.0
// What somebody sees who has nothing yet, who types a token that is none, and who signs out.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();

await page.goto(`${world.url}/deployments`);
await page.getByLabel('Token', { exact: true }).fill('r8_none');
await page.getByRole('button', { name: 'Sign in' }).click();
await page.getByText('This is not a valid token').waitFor();
await shot(page, 'sign-in-refused');
assert.deepEqual(await accessible(page, 'a token that is none'), []);
await signIn(page, '/deployments');
await settled(page);
await page.getByRole('link', { name: 'Create a new deployment' }).first().waitFor();
await page.getByText('berth push').first().waitFor();
await shot(page, 'empty-deployments');
for (const address of ['/models', '/deployments/create', '/account']) {
    await page.goto(world.url + address);
    await settled(page);
    assert.deepEqual(await accessible(page, `nothing at ${address}`), []);
    await shot(page, `empty${address.replaceAll('/', '-')}`);
}
assert.equal((await page.context().cookies()).find((c) => c.name === `berth_session_${new URL(world.url).port}`).httpOnly, true);
assert.equal(await page.evaluate((token) => JSON.stringify({ ...localStorage, ...sessionStorage }).includes(token) || document.cookie.length > 0, world.token), false);
await page.locator('header summary').click();
await page.getByRole('button', { name: 'Sign out', exact: true }).click();
await page.getByLabel('Token', { exact: true }).waitFor();
await page.reload();
await page.getByLabel('Token', { exact: true }).waitFor();
await done(NOBODY, REFUSED);
