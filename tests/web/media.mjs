// SPDX-License-Identifier: Apache-2.0
// A file is dropped, a secret and JSON are typed; a picture, a sound and a film come out, and the browser plays them.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const PICTURE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const LARGE = 300_000; // bytes: more than travels inside of an input
const { page, done } = await open();
const run = () => page.getByRole('button', { name: 'Run', exact: true }).click();
const status = (text) => page.locator('main').getByText(text, { exact: true }).first().waitFor();
const uploads = [];

// Where the label of the field is, as a hand would do it.
async function drop(name, bytes) {
    const data = await page.evaluateHandle(([text, called]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], called, { type: 'image/png' }));
        return transfer;
    }, [bytes.toString('base64'), name]);
    const box = page.locator('.file-input').first();
    await box.dispatchEvent('dragover', { dataTransfer: data });
    await box.dispatchEvent('drop', { dataTransfer: data });
    await page.getByText(name).first().waitFor();
}

page.on('request', (request) => { if (request.method() === 'POST' && request.url().endsWith('/v1/files')) uploads.push(request); });
await signIn(page, `/deployments/acme/${world.deployment}`);
await settled(page);

// What is needed is told, and what is no JSON.
await page.getByLabel(/^Options/).fill('{"a":');
await run();
await page.getByText('This is not JSON').waitFor();
await page.getByText('This field is needed.').first().waitFor();
assert.deepEqual(await accessible(page, 'a form of files, secrets and JSON'), []);

// A small file travels inside of the input; the secret is never shown again.
await drop('small.png', PICTURE);
await page.locator('.file-input img').first().waitFor();
assert.equal(await page.getByLabel(/^Key/).getAttribute('type'), 'password');
await page.getByLabel(/^Key/).fill('hush-hush');
await page.getByLabel(/^Options/).fill('{"b": [1, {"c": null}]}');
await run();
await status('succeeded');
await page.getByText(`${PICTURE.length} bytes, 9 characters, `).first().waitFor();
assert.equal(uploads.length, 0);
assert.equal((await page.locator('main').innerText()).includes('hush-hush'), false);

// The browser has them all: seen, heard, played, and to be taken away.
await page.waitForFunction(() => document.querySelector('.output img')?.naturalWidth === 1);
await page.waitForFunction(() => document.querySelector('.output audio')?.duration === 0.5);
await page.waitForFunction(() => document.querySelector('.output video')?.videoWidth === 16);
for (const kind of ['png', 'wav', 'webm', 'pdf']) await page.getByRole('link', { name: new RegExp(`^Download .+\\.${kind}$`) }).waitFor();
const taken = page.waitForEvent('download');
await page.getByRole('link', { name: /^Download .+\.pdf$/ }).click();
assert.match((await taken).suggestedFilename(), /\.pdf$/);
await shot(page, 'playground-media');
assert.deepEqual(await accessible(page, 'pictures, sound and film'), []);

// Used again the secret has to be typed again; as code it is not there either.
await page.getByRole('button', { name: 'Use this input again' }).click();
await page.waitForFunction(() => [...document.querySelectorAll('textarea')].some((t) => t.value.includes('"c"')));
assert.equal((await page.getByLabel(/^Key/).inputValue()).includes('hush'), false);

// A large one is uploaded first.
await page.getByRole('button', { name: 'Reset', exact: true }).click();
await drop('large.png', Buffer.concat([PICTURE, Buffer.alloc(LARGE)]));
await page.getByLabel(/^Key/).fill('other');
await page.waitForFunction(() => ![...document.querySelectorAll('button[type=submit]')].some((b) => b.disabled));
await run();
await page.getByText(`${PICTURE.length + LARGE} bytes, 5 characters, `).first().waitFor();
assert.equal(uploads.length, 1);

// On the prediction's own page too.
await page.getByRole('link', { name: 'Open prediction' }).click();
await page.getByRole('link', { name: /^Download .+\.webm$/ }).waitFor();
await page.waitForFunction(() => document.querySelector('.output video')?.videoWidth === 16);
await done(NOBODY, REFUSED);
