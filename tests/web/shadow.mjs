// SPDX-License-Identifier: Apache-2.0
// A shadow by mouse: set, watched while its answers are compared, halted, tried again, promoted.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, predict, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const here = `/deployments/acme/${world.deployment}`;
const shadow = page.getByRole('region', { name: 'Shadow of release 2' });
const row = (name) => shadow.getByRole('row', { name });

await signIn(page, `${here}/settings`);
await settled(page);
await page.getByLabel('New releases begin').selectOption({ label: 'as a shadow' });
await page.getByLabel('Share', { exact: true }).fill('150');
await page.getByLabel(/^Relative tolerance/).fill('0.01');
await page.getByLabel(/^Version/).selectOption(world.version);
await page.getByText('begins as a shadow').waitFor();
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('from 0.001 to 1').waitFor();
await shot(page, 'shadow-1-settings');
assert.deepEqual(await accessible(page, 'settings with a shadow'), []);
await page.getByLabel('Share', { exact: true }).fill('100');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('Saved as release 2.').waitFor();

// Whatever the tab, it says so; the report follows what is compared, without a reload.
await page.getByText('Release 2 answers copies of 100 % of the predictions').waitFor();
await page.getByRole('link', { name: 'How it does' }).click();
await shadow.getByText('Nothing has been compared yet.').waitFor();
await shadow.getByText('It began').waitFor();
await predict(here, { how: 'same' });
await shadow.getByText('1 answer compared: all the same.').waitFor();
await predict(here, { how: 'drift' });
await predict(here, { how: 'relabel' });
await shadow.getByText('3 answers compared: 1 the same, 2 differ (66.7 %).').waitFor();
await shadow.getByText('another text 1').waitFor();
await row(/output\.label another text cat cat!/).waitFor();
await row(/output\.score another number 2\.5 3\.0/).waitFor();
await row(/^Errors 0 of 3, 0 % 0 of 3, 0 %/).waitFor();
await shot(page, 'shadow-2-on');
assert.deepEqual(await accessible(page, 'a shadow'), []);
await page.getByRole('navigation', { name: 'Parts of this deployment' }).getByRole('link', { name: 'Playground' }).click();
await page.getByText('3 answers compared: 1 the same, 2 differ').waitFor();
await page.getByRole('link', { name: 'How it does' }).click();

// Halted: asked first, and the release says why; the report stays.
await page.getByRole('button', { name: 'Halt the shadow of release 2' }).click();
await page.getByRole('dialog').getByText('answers no more copies').waitFor();
await page.getByRole('dialog').getByRole('button', { name: 'Halt', exact: true }).click();
await shadow.getByText('It was halted by hand.').waitFor();
await shadow.getByText('Release 2 was halted; release 1 has all predictions.').waitFor();
await shadow.getByText('3 answers compared').waitFor();
await shot(page, 'shadow-3-halted');

// Tried again it counts anew, and is promoted.
await page.getByRole('button', { name: 'Try again', exact: true }).click();
await shadow.getByText('It began').waitFor();
await shadow.getByText('Nothing has been compared yet.').waitFor();
await page.getByRole('button', { name: 'Promote release 2' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Promote', exact: true }).click();
await shadow.getByText('It was promoted by hand.').waitFor();
await shadow.getByText('Release 2 has taken over from release 1.').waitFor();
await page.setViewportSize({ width: 360, height: 740 });
await shot(page, 'shadow-4-promoted-phone');
assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
await done(NOBODY, REFUSED);
