// SPDX-License-Identifier: Apache-2.0
// A deployment's life, by mouse: from a version's page to a deployment that runs, is changed, rolled back and deleted.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, heading, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const name = 'my-app-image-generator';
const tab = (label) => page.getByRole('navigation', { name: 'Parts of this deployment' }).getByRole('link', { name: label, exact: true }).click();
const status = (text) => page.locator('main').getByText(text, { exact: true }).first();

// From the version's page to the form, which knows the model and the version.
await signIn(page, `/acme/hello/versions/${world.old}`);
await page.getByRole('link', { name: 'Deploy', exact: true }).click();
await heading(page, 'Create a new deployment');
await page.getByLabel(/^Name/).fill('Not a name');
await page.getByLabel(/^Hardware/).selectOption('cpu-small');
await page.getByLabel(/^Maximum instances/).fill('2');
await settled(page);
assert.match(await page.getByLabel(/^Version/).inputValue(), new RegExp(world.old), 'the version is chosen already');
await page.getByRole('button', { name: 'Create deployment' }).click();
await page.locator('[aria-invalid="true"]').first().waitFor();
await shot(page, 'story-1-a-name-that-is-none');
await page.getByLabel(/^Name/).fill(name);
await page.getByRole('button', { name: 'Create deployment' }).click();
await page.waitForURL(`**/deployments/acme/${name}`);

// Run it, and watch what it streams.
await page.getByLabel(/^text/i).fill('browser');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByText('hello there, browser').first().waitFor();
await status('succeeded').waitFor();
await shot(page, 'story-2-it-has-run');
assert.deepEqual(await accessible(page, 'a run'), []);

// Other hardware, more instances, and what that costs.
await tab('Settings');
await page.getByLabel(/^Maximum instances/).fill('3');
await page.getByLabel(/^Hardware/).selectOption('cpu');
await page.getByText(/per hour|\/ ?h/i).first().waitFor();
await shot(page, 'story-3-settings');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await tab('Releases');
await page.getByText(/release 2|#2/i).first().waitFor();

// The newest version, and back.
await tab('Settings');
await page.getByLabel(/^Version/).selectOption(world.version);
await page.getByRole('button', { name: 'Save', exact: true }).click();
await tab('Releases');
await page.getByText(/release 3|#3/i).first().waitFor();
await page.getByRole('button', { name: 'Roll back to release 1' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
await page.getByText(/release 4|#4/i).first().waitFor();
await shot(page, 'story-4-rolled-back');

// Disabled, and deleted.
await tab('Settings');
await page.getByRole('button', { name: 'Disable', exact: true }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Disable', exact: true }).click();
await page.getByRole('button', { name: 'Enable', exact: true }).waitFor();
await page.getByRole('button', { name: 'Delete', exact: true }).click();
await page.getByRole('dialog').getByRole('textbox').fill(name);
await shot(page, 'story-5-delete');
await page.getByRole('dialog').getByRole('button', { name: 'Delete deployment' }).click();
await page.waitForURL('**/deployments');
await settled(page);
assert.equal(await page.locator('main').getByText(name).count(), 0, 'it is gone from the list');
await done(NOBODY, REFUSED);
