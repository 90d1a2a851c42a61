// SPDX-License-Identifier: Apache-2.0
// What all tests of the dashboard share: a browser that notes whatever a page should not do, and the looks at it.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const world = JSON.parse(process.env.BERTH_WORLD); // url, token, shots, and what the test has prepared
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LIMIT = 60_000;

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };

// A page in a browser of its own, with `done()`: nothing may have gone wrong that `expected` does not name.
export async function open({ size = 'desktop', scheme = 'light' } = {}) {
    const profile = mkdtempSync(join(tmpdir(), 'berth-web-'));
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.BERTH_CHROMIUM || '/usr/bin/chromium',
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
            '--no-first-run', '--disable-sync'],
        viewport: SIZES[size],
        colorScheme: scheme,
        reducedMotion: 'reduce',
        permissions: ['clipboard-read', 'clipboard-write'],
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const wrong = [];

    page.setDefaultTimeout(LIMIT);
    page.on('request', (request) => {
        const { protocol, origin } = new URL(request.url());
        if (protocol.startsWith('http') && origin !== world.url) wrong.push(`asked another host: ${request.url()}`);
    });
    page.on('pageerror', (error) => wrong.push(`an error that nobody caught: ${error.stack ?? error}`));
    page.on('console', (message) => {
        if (message.type() === 'error') wrong.push(`on the console: ${message.text()}`);
    });
    const done = async (...expected) => {
        await context.close();
        rmSync(profile, { recursive: true, force: true });
        assert.deepEqual(wrong.filter((line) => !expected.some((one) => one.test(line))), [], 'what the page did');
    };
    return { page, context, done };
}

// Answers that a page knows how to show are lines on the console too; whoever provokes them expects them.
export const REFUSED = /Failed to load resource.*(status of 4\d\d|ERR_)/;
export const NOBODY = /Failed to load resource.*status of 401/;

export async function signIn(page, where = '/') {
    await page.goto(world.url + where);
    await page.getByLabel('Token', { exact: true }).fill(world.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Sections' }).waitFor();
}

// Nothing is loading any more.
export async function settled(page) {
    await page.locator('main h1').first().waitFor();
    await page.waitForFunction(() => !document.querySelector('main [aria-busy="true"], main .loading'));
}

export async function accessible(page, what) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const serious = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) =>
        `${v.id} (${v.impact}): ${v.help}\n${v.nodes.slice(0, 4).map((n) => `    ${n.html.slice(0, 200)}\n    ${n.failureSummary?.replaceAll('\n', ' ')}`).join('\n')}`);
    return serious.map((text) => `${what}: ${text}`);
}

export async function shot(page, name) {
    mkdirSync(world.shots, { recursive: true });
    await page.screenshot({ path: join(world.shots, `${name}.png`), fullPage: true });
}

export async function heading(page, text) {
    await page.getByRole('heading', { level: 1, name: text }).waitFor();
}

// What somebody else asks of a deployment meanwhile; its answer is there when this returns.
export async function predict(deployment, input) {
    const answer = await fetch(`${world.url}/v1${deployment}/predictions`, {
        method: 'POST', headers: { Authorization: `Bearer ${world.token}`, 'Content-Type': 'application/json', Prefer: 'wait' },
        body: JSON.stringify({ input }),
    });
    assert.equal(answer.status, 201);
}
