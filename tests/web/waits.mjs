// SPDX-License-Identifier: Apache-2.0
// What waits for a machine that is not here says so, in the list and on its own page, until it waits no longer.
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const here = `/deployments/acme/${world.deployment}`;
const row = page.getByRole('row', { name: new RegExp(world.deployment) });

await signIn(page, '/deployments');
await settled(page);
await row.getByText('waiting', { exact: true }).waitFor();
await row.getByText(/needs \d+ GPU/).waitFor();
await shot(page, 'waits-in-the-list');
await row.getByRole('link', { name: world.deployment, exact: true }).click();
await page.waitForURL(`**${here}`);
await page.getByRole('status').getByText(/needs \d+ GPU/).waitFor();
await shot(page, 'waits-deployment');

// The row follows without a reload.
await page.getByRole('link', { name: 'Deployments', exact: true }).first().click();
await row.getByText('waiting', { exact: true }).waitFor();
await page.evaluate(() => { window.berthSame = true; });
const answer = await fetch(`${world.url}/v1${here}`, {
    method: 'PATCH', headers: { Authorization: `Bearer ${world.token}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ hardware: 'cpu-small' }),
});
if (!answer.ok) throw new Error(await answer.text());
await row.getByText('idle', { exact: true }).waitFor();
await row.getByText(/needs \d+ GPU/).waitFor({ state: 'detached' });
if (!(await page.evaluate(() => window.berthSame))) throw new Error('the page was loaded anew');
await done(NOBODY, REFUSED);
