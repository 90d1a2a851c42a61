// SPDX-License-Identifier: Apache-2.0
// What an account spends and may spend, its webhooks' key and its tokens, by mouse.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const card = (title) => page.locator('.card').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
const api = async (path) => {
    const answer = await fetch(`${world.url}/v1${path}`, { headers: { Authorization: `Bearer ${world.token}` } });
    return answer.ok ? answer.json() : null;
};

await signIn(page, '/account');
await settled(page);

// Usage: what ran, of which deployment and on which hardware.
const usage = card('Usage and cost');
await usage.getByRole('table', { name: 'Cost by deployment or model' }).getByRole('row', { name: new RegExp(`acme/${world.deployment}`) }).waitFor();
await usage.getByRole('table', { name: 'Cost by hardware' }).getByText('cpu-small').waitFor();
assert.match(await usage.getByRole('img').getAttribute('aria-label'), /Cost by day: .+ [\d.]+/);
const spans = usage.locator('.day');
assert.equal(await spans.count(), 7);
await usage.getByLabel('Show').selectOption({ label: 'Last 30 days' });
await page.waitForFunction(() => document.querySelectorAll('.day').length === 30);
await usage.getByRole('row', { name: new RegExp(`acme/${world.deployment}`) }).waitFor();

// A budget: what is wrong is told at its field; then set, changed, taken away.
const budget = card('Budget');
await budget.getByRole('button', { name: 'Set a budget' }).click();
await budget.getByLabel(/^Amount/).fill('-1');
await budget.getByLabel(/^Warn at/).fill('150');
await budget.getByRole('button', { name: 'Save budget' }).click();
await budget.getByText('A whole number from 1 to 100 is needed.').waitFor();
await budget.getByLabel(/^Warn at/).fill('50');
await budget.getByRole('button', { name: 'Save budget' }).click();
await budget.locator('[aria-invalid="true"]').waitFor();
await shot(page, 'account-budget-wrong');
await budget.getByLabel(/^Amount/).fill('25');
await budget.getByLabel('For each').selectOption('day');
await budget.getByRole('button', { name: 'Save budget' }).click();
await budget.getByText('of 25.00 this day').waitFor();
assert.deepEqual([(await api('/account/budget')).amount, (await api('/account/budget')).warn_at], [25, 0.5]);
await shot(page, 'account-budget');
assert.deepEqual(await accessible(page, 'a budget'), []);
await budget.getByRole('button', { name: 'Change budget' }).click();
await budget.getByLabel(/^Amount/).fill('30');
await budget.getByRole('button', { name: 'Save budget' }).click();
await budget.getByText('of 30.00 this day').waitFor();
await budget.getByRole('button', { name: 'Delete budget' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Delete budget' }).click();
await budget.getByRole('button', { name: 'Set a budget' }).waitFor();
assert.equal(await api('/account/budget'), null);

// The key that signs webhooks: hidden, shown, another one.
const webhook = card('Webhook signing secret');
assert.equal(await webhook.getByText(/whsec_/).count(), 0);
await webhook.getByRole('button', { name: 'Show secret' }).click();
const before = await webhook.getByText(/whsec_/).innerText();
await webhook.getByRole('button', { name: 'Rotate secret' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click();
assert.equal((await api('/webhooks/default/secret')).key, before.trim());
await webhook.getByRole('button', { name: 'Rotate secret' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Rotate secret' }).click();
await page.getByText('Messages are signed with the new secret.').waitFor();
const after = (await webhook.getByText(/whsec_/).innerText()).trim();
assert.notEqual(after, before.trim());
assert.equal((await api('/webhooks/default/secret')).key, after);
await webhook.getByRole('button', { name: 'Hide secret' }).click();
await webhook.getByText(/whsec_/).waitFor({ state: 'detached' });

// A token, which is shown once, and deleted.
const tokens = card('Tokens');
await tokens.getByRole('button', { name: 'Create a token' }).click();
await page.getByRole('dialog').getByLabel(/^Name/).fill('laptop');
await page.getByRole('dialog').getByRole('button', { name: 'Create token' }).click();
await page.getByText('Copy it now: it is not shown again.').waitFor();
await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click();
await tokens.getByRole('button', { name: 'Delete the token laptop' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Delete token' }).click();
await page.getByText('The token is deleted.').waitFor();
await tokens.getByText('laptop').waitFor({ state: 'detached' });
await done(NOBODY, REFUSED);
