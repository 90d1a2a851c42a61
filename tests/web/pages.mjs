// SPDX-License-Identifier: Apache-2.0
// Every page, in light and dark, on a desk and in a hand: it shows what it should, nothing of it runs out of the screen,
// and who cannot see or has no mouse can use it.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const here = `/deployments/acme/${world.deployment}`;
const PAGES = {
    deployments: '/deployments',
    create: `/deployments/create?model=acme/hello&version=${world.version}`,
    playground: here,
    'playground-run': `${here}?prediction=${world.prediction}`,
    api: `${here}/api`,
    predictions: `${here}/predictions`,
    metrics: `${here}/metrics`,
    logs: `${here}/logs`,
    releases: `${here}/releases`,
    settings: `${here}/settings`,
    models: '/models',
    model: '/acme/hello',
    version: `/acme/hello/versions/${world.version}`,
    prediction: `/p/${world.prediction}`,
    'prediction-failed': `/p/${world.failed}`,
    hardware: '/hardware',
    account: '/account',
    'deployment-failed': '/deployments/acme/broken',
    'none-deployment': '/deployments/acme/no-such-one',
    'none-model': '/acme/no-such-model',
    'none-version': `/acme/hello/versions/${'0'.repeat(64)}`,
    'none-prediction': '/p/00000000000000000000000000',
    'none-page': '/no/such/page/at/all',
};
const problems = [];

async function look(size, scheme) {
    const { page, done } = await open({ size, scheme });
    await page.goto(`${world.url}/`);
    await page.getByLabel('Token', { exact: true }).waitFor();
    await shot(page, `sign-in-${size}-${scheme}`);
    problems.push(...(await accessible(page, `sign-in ${size} ${scheme}`)));
    await signIn(page);
    for (const [name, address] of Object.entries(PAGES)) {
        await page.goto(world.url + address);
        await settled(page);
        await shot(page, `${name}-${size}-${scheme}`);
        problems.push(...(await accessible(page, `${name} ${size} ${scheme}`)));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) problems.push(`${name} ${size}: ${over} pixels too wide`);
        const nothing = await page.locator('main').innerText();
        if (name.startsWith('none-') && !/no |not |none/i.test(nothing)) problems.push(`${name} does not say so: ${nothing.slice(0, 200)}`);
    }
    await done(NOBODY, REFUSED);
}

// Much of the time each of them waits.
await Promise.all([look('desktop', 'light'), look('desktop', 'dark')]);
await Promise.all([look('phone', 'light'), look('phone', 'dark')]);
assert.equal(problems.join('\n'), '');
