// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameOk, nameRules, splitRef } from '../src/format/name';
import { bytesText, countText, moneyText, plural, priceText } from '../src/format/number';
import { dayText, durationText, relativeTime } from '../src/format/time';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const ago = (seconds: number) => relativeTime(NOW - seconds * 1000, NOW);

test('times are told as people say them, in both directions', () => {
    assert.equal(ago(0), 'just now');
    assert.equal(ago(9.9), 'just now');
    assert.equal(ago(-9), 'just now'); // the browser's clock is behind
    assert.equal(ago(10), '10 s ago');
    assert.equal(ago(59.9), '59 s ago');
    assert.equal(ago(60), '1 minute ago');
    assert.equal(ago(119), '1 minute ago');
    assert.equal(ago(3600), '1 hour ago');
    assert.equal(ago(2 * 86_400), '2 days ago');
    assert.equal(ago(400 * 86_400), '1 year ago');
    assert.equal(ago(-120), 'in 2 minutes');
    assert.equal(ago(-30), 'in 30 s');
    assert.equal(relativeTime(NaN, NOW), 'unknown');
});

test('durations have two units at most and lose no digit that matters', () => {
    assert.equal(durationText(0), '0 s');
    assert.equal(durationText(0.0004), '< 1 ms');
    assert.equal(durationText(0.25), '250 ms');
    assert.equal(durationText(0.9996), '1.00 s');
    assert.equal(durationText(1.234), '1.23 s');
    assert.equal(durationText(12.34), '12.3 s');
    assert.equal(durationText(59.96), '1 min');
    assert.equal(durationText(245), '4 min 5 s');
    assert.equal(durationText(3599.6), '1 h');
    assert.equal(durationText(7380), '2 h 3 min');
    assert.equal(durationText(3 * 86_400 + 4 * 3600), '3 d 4 h');
    assert.equal(durationText(null), '–');
    assert.equal(durationText(-2), '-2.00 s');
});

test('days of the ledger stay days of UTC', () => {
    const before = process.env.TZ;
    process.env.TZ = 'America/Los_Angeles';
    assert.match(dayText('2026-11-23'), /23/);
    process.env.TZ = before;
    assert.equal(dayText('no day'), 'no day');
});

test('money: small prices keep their digits, large sums lose cents', () => {
    assert.equal(moneyText(0), '0');
    assert.equal(priceText(0.000225), '0.000225');
    assert.equal(priceText(0.0001), '0.0001');
    assert.equal(priceText(0.00122275), '0.00122275');
    assert.equal(priceText(0.0122), '0.0122');
    assert.equal(priceText(0.5), '0.5');
    assert.equal(priceText(1.5), '1.50');
    assert.equal(moneyText(0.00093204), '0.00093');
    assert.equal(moneyText(0.0099999), '0.01');
    assert.equal(moneyText(0.0000001), '< 0.000001');
    assert.equal(moneyText(0.81), '0.81');
    assert.equal(moneyText(136.084), '136.08');
    assert.equal(moneyText(12_345.6), '12,346');
    assert.equal(moneyText(-0.5), '-0.50');
    assert.equal(moneyText(undefined), '–');
});

test('counts and sizes', () => {
    assert.equal(countText(10_000), '10,000');
    assert.equal(plural(1, 'run'), '1 run');
    assert.equal(plural(0, 'run'), '0 runs');
    assert.equal(bytesText(16e9), '16 GB');
    assert.equal(bytesText(1.5e6), '1.5 MB');
    assert.equal(bytesText(999), '999 B');
});

test('the rule of names is told part by part', () => {
    assert.ok(nameOk('my-app-image-generator'));
    assert.ok(nameOk('a'));
    assert.ok(nameOk('a'.repeat(64)));
    for (const bad of ['', '-a', 'a-', 'My-app', 'a b', 'a'.repeat(65), 'ä'])
        assert.ok(!nameOk(bad), bad);
    assert.deepEqual(nameRules('-a').map((r) => r.ok), [true, false, true]);
});

test('a reference is two names', () => {
    assert.deepEqual(splitRef('acme/hello'), { owner: 'acme', name: 'hello' });
    for (const bad of ['', 'acme', 'acme/', '/hello', 'a/b/c']) assert.equal(splitRef(bad), null, bad);
});
