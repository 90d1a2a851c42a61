// SPDX-License-Identifier: Apache-2.0
// A canary by mouse: set, watched while predictions go to both releases, halted, tried again, promoted.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, predict, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const here = `/deployments/acme/${world.deployment}`;
const tab = (label) => page.getByRole('navigation', { name: 'Parts of this deployment' }).getByRole('link', { name: label, exact: true }).click();
const canary = page.getByRole('region', { name: 'Canary of release 2' });
const row = (name) => canary.getByRole('row', { name });

// What is wrong is told at its field.
await signIn(page, `${here}/settings`);
await settled(page);
await page.getByLabel('New releases begin').selectOption({ label: 'as a canary' });
await page.getByLabel('Share', { exact: true }).fill('95');
await page.getByLabel(/^Version/).selectOption(world.version);
await page.getByText('begins as a canary').waitFor();
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('from 0.001 to 0.9').waitFor();
await shot(page, 'canary-1-settings');
await page.getByLabel('Share', { exact: true }).fill('50');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('Saved as release 2.').waitFor();

// It is watched as it counts.
await page.getByText('Release 2 has 50 % of the new predictions, release 1 the others.').waitFor();
await page.getByRole('link', { name: 'How it does' }).click();
await canary.getByText('It began').waitFor();
for (let i = 0; i < 4; i++) await predict(here, { text: 'a' });
await row(/^Predictions 2, 50 % 2/).waitFor();
await row(/^Errors 0 of 2, 0 % 0 of 2, 0 %/).waitFor();
await row(/^Run time of half .* times/).waitFor();
await shot(page, 'canary-2-on');
assert.deepEqual(await accessible(page, 'a canary'), []);

// Halted: asked first, and the release says why.
await page.getByRole('button', { name: 'Halt the canary of release 2' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click();
await page.getByRole('button', { name: 'Halt the canary of release 2' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Halt', exact: true }).click();
await canary.getByText('It was halted by hand.').waitFor();
await canary.getByText('Release 2 was halted; release 1 has all predictions again.').waitFor();
await page.locator('.release').first().getByText('failed', { exact: true }).waitFor();
await shot(page, 'canary-3-halted');
assert.deepEqual(await accessible(page, 'a canary that was halted'), []);

// Tried again, and promoted; the tab follows without a reload.
await page.getByRole('button', { name: 'Try again', exact: true }).click();
await canary.getByText('It began').waitFor();
await page.getByRole('button', { name: 'Promote release 2' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Promote', exact: true }).click();
await canary.getByText('It was promoted by hand.').waitFor();
await canary.getByText('Release 2 has taken over from release 1.').waitFor();
await page.setViewportSize({ width: 360, height: 740 });
await shot(page, 'canary-4-promoted-phone');
assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
await tab('Settings');
await page.getByLabel('New releases begin').selectOption({ label: 'with all predictions' });
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('Saved.', { exact: true }).waitFor();
await done(NOBODY, REFUSED);
