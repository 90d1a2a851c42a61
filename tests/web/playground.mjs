// SPDX-License-Identifier: Apache-2.0
// The playground with a form of many kinds of fields, and what else one does with a deployment that runs.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const here = `/deployments/acme/${world.deployment}`;
const run = () => page.getByRole('button', { name: 'Run', exact: true }).click();
const status = (text) => page.locator('main').getByText(text, { exact: true }).first().waitFor();

await signIn(page, here);
await settled(page);

// What cannot be sent is told at its field, which gets the focus; typing takes the words away.
await page.getByLabel(/^Code/).fill('ABC');
await page.getByLabel(/^Steps/).fill('0');
await run();
await page.getByText('0 is less than 1.').waitFor();
await page.getByText('This does not match ^[a-z]+$.').waitFor();
assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true');
await shot(page, 'playground-1-wrong');
await page.getByLabel(/^Steps/).fill('2');
await page.getByText('0 is less than 1.').waitFor({ state: 'detached' });
await page.getByLabel(/^Code/).fill('');
await page.getByRole('button', { name: 'Add to Names' }).click();
await page.getByLabel('Names 1', { exact: true }).fill('one');

// Output and logs come while it runs, and it can be stopped.
await page.getByLabel(/^Mode/).selectOption({ label: 'wait' });
await page.getByLabel(/^File/).fill('/there/is/no/such/file');
await run();
await page.locator('.output-text').getByText('begin').waitFor();
await page.locator('.log-lines').getByText('waiting', { exact: true }).waitFor();
await shot(page, 'playground-2-runs');
await page.getByRole('button', { name: 'Cancel', exact: true }).click();
await status('canceled');

// A reload shows the same run with its input, which can be used again.
await page.reload();
await status('canceled');
assert.match(await page.getByLabel(/^Mode/).inputValue(), /wait/);
await page.getByRole('button', { name: 'Reset' }).click();
assert.match(await page.getByLabel(/^Mode/).inputValue(), /echo/);
await page.getByRole('button', { name: 'Use this input again' }).click();
assert.match(await page.getByLabel(/^Mode/).inputValue(), /wait/);
assert.equal(await page.getByLabel('Names 1', { exact: true }).inputValue(), 'one');

await page.getByLabel(/^Mode/).selectOption({ label: 'raise' });
await run();
await page.getByText('It failed.').waitFor();
await status('failed');

// The same as code, with what stands in the form.
await page.getByRole('button', { name: 'Share as code' }).click();
const dialog = page.getByRole('dialog');
await dialog.getByRole('tab', { name: 'curl' }).focus();
await page.keyboard.press('ArrowRight');
await dialog.getByText(`"${world.deployment}"`).waitFor();
assert.match(await dialog.getByRole('tabpanel').innerText(), /mode: "raise"/);
await shot(page, 'playground-3-code');
await page.keyboard.press('Escape');
await dialog.waitFor({ state: 'detached' });
await page.waitForFunction(() => document.activeElement?.textContent === 'Share as code');

// The scaling's decisions can be read by keyboard.
await page.goto(`${world.url}${here}/metrics`);
const decision = page.getByRole('list', { name: /^Decisions/ }).getByRole('button').first();
await decision.focus();
assert.match(await page.locator('.mark-sentence').innerText(), /\d+ → \d+/);

// So can the settings that were compared; Enter puts one into the form.
await page.goto(`${world.url}${here}/settings`);
await page.getByRole('button', { name: /^Use .*what you have/ }).focus();
await page.keyboard.press('ArrowRight');
await page.keyboard.press('Enter');
await page.getByText('The form has that setting now.').waitFor();
await page.getByRole('button', { name: 'Discard changes' }).click();
await page.getByText('Nothing is changed.').waitFor();
await page.getByLabel(/^Minimum instances/).fill('');
await page.getByText('A whole number is needed, 0 or more.').waitFor();
await page.getByRole('button', { name: 'Discard changes' }).click();

// A prediction with a webhook: its messages, and the end's once more.
await page.goto(`${world.url}/p/${world.hooked}`);
await page.getByRole('row', { name: /completed/ }).waitFor();
await page.getByRole('button', { name: 'Send again' }).click();
await page.getByText('It is sent again.').waitFor();
await page.getByText('Boot', { exact: true }).waitFor();
await shot(page, 'prediction-with-webhook');
await page.getByRole('link', { name: 'Run again with changes' }).click();
await page.waitForFunction(() => [...document.querySelectorAll('textarea')].some((t) => t.value === 'told'));
await done(NOBODY, REFUSED);
