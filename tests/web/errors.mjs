// SPDX-License-Identifier: Apache-2.0
// The server answers 503 to what a page asks: each page says so with a way to try again, which works as soon as the server
// does; and what is sent to be changed is told where it was sent, and can be sent again.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const here = `/deployments/acme/${world.deployment}`;
const PAGES = {
    deployments: '/deployments', create: '/deployments/create?model=acme/hello', deployment: here, models: '/models', model: '/acme/hello',
    version: `/acme/hello/versions/${world.version}`, prediction: `/p/${world.prediction}`, hardware: '/hardware', account: '/account',
};
const TABS = ['', '/api', '/predictions', '/metrics', '/logs', '/releases', '/settings'];
const OWN = new RegExp(`/v1/deployments/acme/${world.deployment}$|/v1/deployments/overview`);
const AGAIN = /^(Try again|Load the (versions|hardware) again)$/;
const { page, done } = await open();
const problems = [];
let broken = () => false;

await page.route('**/*', (route) => {
    const request = route.request();
    if (!/\/v1\/|\/session$/.test(request.url()) || /\/v1\/events/.test(request.url()) || !broken(request)) return route.continue();
    return route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, title: 'Not now', detail: 'The disk is gone.' }) });
});

// What went wrong is told, and with a button; pressed until the server answers, it brings what the page has.
async function fails(name, address, when) {
    console.log(name);
    broken = when;
    await page.goto(world.url + address);
    await page.locator('main').getByText('The disk is gone.').first().waitFor();
    await page.getByRole('button', { name: AGAIN }).first().waitFor();
    problems.push(...(await accessible(page, `${name} without a server`)));
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) problems.push(`${name}: ${over} pixels too wide`);
    await shot(page, `error-${name}`);
    broken = () => false;
    await page.waitForFunction((again) => {
        const all = [...document.querySelectorAll('main button')].filter((b) => new RegExp(again).test(b.textContent));
        for (const one of all) if (!one.disabled) one.click();
        return all.length === 0 && !document.querySelector('main').textContent.includes('The disk is gone.');
    }, AGAIN.source, { polling: 500 });
    await settled(page);
}

const all = () => true;
const notOwn = (request) => !/\/session$/.test(request.url()) && !OWN.test(request.url());

await signIn(page, '/account');
await settled(page);
for (const [name, address] of Object.entries(PAGES)) await fails(name, address, (r) => !/\/session$/.test(r.url()));
await fails('session', '/models', all);
for (const tab of TABS) await fails(`tab${tab.replace('/', '-')}`, here + tab, notOwn);
await page.goto(`${world.url}/deployments/acme/${world.deployment}?prediction=${world.prediction}`);
await settled(page);

// What is sent is still there to be sent again.
const writes = (request) => !['GET', 'QUERY'].includes(request.method());
const refused = () => page.getByRole('alert').getByText('The disk is gone.').first().waitFor();
broken = writes;
await page.getByLabel(/^text/i).fill('once more');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await refused();
assert.equal(await page.getByLabel(/^text/i).inputValue(), 'once more');
broken = () => false;
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByText('hello there, once more').first().waitFor();

await page.goto(`${world.url}${here}/settings`);
await settled(page);
await page.getByLabel(/^Maximum instances/).fill('2');
broken = writes;
await page.getByRole('button', { name: 'Save', exact: true }).click();
await refused();
broken = () => false;
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('Saved as release').waitFor();

await page.goto(`${world.url}/deployments/create?model=acme/hello&version=${world.version}`);
await settled(page);

// The counts beside the cost are those that it is of, however long the server takes.
const minimum = page.locator('.cost tr').filter({ hasText: 'Minimum' });
await minimum.getByText('0 running').waitFor();
let release;
const held = new Promise((resolve) => { release = resolve; });
await page.route('**/v1/deployments/estimate', async (route) => { await held; await route.continue(); });
const asked = page.waitForRequest('**/v1/deployments/estimate');
await page.getByLabel(/^Minimum instances/).fill('1');
await asked;
await minimum.getByText('0 running').waitFor();
release();
await minimum.getByText('1 running').waitFor();
assert.doesNotMatch(await minimum.innerText(), /\s0\s+0$/);
await page.getByLabel(/^Minimum instances/).fill('0');

await page.getByLabel(/^Name/).fill('after-the-error');
broken = writes;
await page.getByRole('button', { name: 'Create deployment' }).click();
await refused();
assert.equal(await page.getByLabel(/^Name/).inputValue(), 'after-the-error');
broken = () => false;
await page.getByRole('button', { name: 'Create deployment' }).click();
await page.waitForURL('**/deployments/acme/after-the-error');
assert.equal(problems.join('\n'), '');
await done(NOBODY, REFUSED, /status of 503/);
