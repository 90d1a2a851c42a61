// SPDX-License-Identifier: Apache-2.0
// More models than one page of the API has: the picker goes on by keyboard, by scrolling and in what it searches.
import assert from 'node:assert/strict';
import { NOBODY, REFUSED, accessible, open, settled, shot, signIn, world } from './browser.mjs';

const { page, done } = await open();
const field = page.getByRole('combobox', { name: /^Model/ });
const options = page.locator('.picker-list [role=option]');
const more = (n) => page.waitForFunction((least) => document.querySelectorAll('[role=option]').length >= least, n);
const scrollTo = (n) => page.waitForFunction((least) => {
    const list = document.querySelector('.picker-list');
    list?.scrollTo(0, 0);
    list?.scrollTo(0, list.scrollHeight);
    return document.querySelectorAll('[role=option]').length >= least;
}, n);
const chosen = () => page.locator('[role=option][aria-selected=true]').innerText();

await signIn(page, '/deployments/create');
await settled(page);

// By keyboard: at the end the next page comes, and the arrow goes on in it.
await field.click();
await options.first().waitFor();
const first = await options.count();
assert.ok(first < world.models, `${first} of ${world.models}`);
const last = await options.last().innerText();
for (let i = 1; i < first; i++) await field.press('ArrowDown');
await more(first + 1);
assert.equal(await chosen(), last, 'what comes does not move the choice');
assert.deepEqual(await accessible(page, 'the picker'), []);
await shot(page, 'picker-more');
await field.press('ArrowDown');
assert.equal(await chosen(), await options.nth(first).innerText());

// By scrolling, until all are there, each once.
await scrollTo(world.models);
await page.getByRole('button', { name: 'Show more models' }).waitFor({ state: 'detached' });
const names = await options.locator('strong').allInnerTexts();
assert.equal(new Set(names).size, names.length);

// What is searched for has pages too.
await page.goto(`${world.url}/deployments/create`);
await field.click();
await options.first().waitFor();
await field.fill(world.word);
await scrollTo(world.found);
assert.ok((await options.locator('strong').allInnerTexts()).every((name) => name.includes(world.word)));
assert.equal(await options.count(), world.found);
await options.last().click();
assert.match(await field.inputValue(), new RegExp(world.word));

// So has the page of models.
await page.goto(`${world.url}/models?q=${world.word}`);
await page.locator('main .model').first().waitFor();
await page.getByRole('button', { name: 'Show more models' }).click();
await page.waitForFunction((n) => document.querySelectorAll('main .model').length === n, world.found);
await page.getByRole('button', { name: 'Show more models' }).waitFor({ state: 'detached' });
await done(NOBODY, REFUSED);
