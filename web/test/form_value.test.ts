// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readInput, type Field, type Json } from '../src/form/schema';
import { entriesOf, problemsOf, readEntries, sampleInput, stepOf, type Entries } from '../src/form/value';

function fieldsOf(properties: { [name: string]: Json }, required: string[] = []): Field[] {
    return readInput({ components: { schemas: { Input: { properties, required } } } });
}

function one(schema: Json, typed: Entries['f'], required = false) {
    return readEntries(fieldsOf({ f: schema }, required ? ['f'] : []), { f: typed as string });
}

test('what is typed becomes values of the right type', () => {
    assert.deepEqual(one({ type: 'integer' }, ' 7 ').input, { f: 7 });
    assert.deepEqual(one({ type: 'number' }, '1e-3').input, { f: 0.001 });
    assert.deepEqual(one({ type: 'string' }, ' a ').input, { f: ' a ' });
    assert.deepEqual(one({ type: 'boolean' }, true).input, { f: true });
    assert.deepEqual(one({ enum: [1, 2], type: 'integer' }, '2').input, { f: 2 });
    assert.deepEqual(one({ type: 'object' }, '{"a": [1]}').input, { f: { a: [1] } });
    assert.deepEqual(one({ type: 'string', format: 'uri' }, 'https://example.com/a.png').input, { f: 'https://example.com/a.png' });
    assert.deepEqual(one({ type: 'array', items: { type: 'integer' } }, ['1', '2']).input, { f: [1, 2] });
    assert.deepEqual(one({ type: 'array', items: { type: 'string' } }, ['', 'b']).input, { f: ['', 'b'] });
});

test('an empty field is left out, but a default that was deleted is an empty text', () => {
    for (const type of ['integer', 'number', 'object', 'string']) assert.deepEqual(one({ type }, ''), { input: {}, problems: {} });
    assert.deepEqual(one({ type: 'string', default: 'world' }, '').input, { f: '' });
    assert.deepEqual(one({ type: 'array', items: { type: 'string' }, default: ['a'] }, []).input, { f: [] });
    assert.deepEqual(one({ type: 'array', items: { type: 'string' } }, []).input, {});
});

test('what cannot be sent is told at its field', () => {
    const cases: [Json, Entries['f'], RegExp][] = [
        [{ type: 'integer' }, '1.5', /not a whole number/],
        [{ type: 'integer' }, '12345678901234567890', /exactly/],
        [{ type: 'number' }, 'many', /not a number/],
        [{ type: 'integer', minimum: 1 }, '0', /less than 1/],
        [{ type: 'number', maximum: 1 }, '2', /more than 1/],
        [{ type: 'string', minLength: 3 }, 'ab', /at least 3/],
        [{ type: 'string', maxLength: 1 }, 'ab', /at most 1/],
        [{ type: 'string', pattern: '^a' }, 'b', /does not match \^a/],
        [{ type: 'object' }, '{', /not JSON/],
        [{ type: 'string', format: 'uri' }, 'cat.png', /begins with https/],
        [{ type: 'array', items: { type: 'string' }, maxItems: 1 }, ['a', 'b'], /at most 1/],
    ];
    for (const [schema, typed, message] of cases) assert.match(one(schema, typed).problems.f ?? '', message);
    assert.match(one({ type: 'string' }, '', true).problems.f ?? '', /needed/);
    assert.match(one({ type: 'array', items: { type: 'integer' } }, ['1', '']).problems['f[1]'] ?? '', /empty/);
});

test('length counts characters and not their halves; a pattern of another language is left to the server', () => {
    assert.deepEqual(one({ type: 'string', maxLength: 1 }, '😀').problems, {});
    assert.deepEqual(one({ type: 'string', pattern: '(?P<x>a)' }, 'b').problems, {});
});

test('a form opens with defaults, or with an input of before, but for its secrets', () => {
    const fields = fieldsOf({
        text: { type: 'string', default: 'world' },
        n: { type: 'integer' },
        on: { type: 'boolean', default: true },
        key: { type: 'string', 'x-cog-secret': true },
        list: { type: 'array', items: { type: 'integer' } },
        more: { type: 'object', default: { a: 1 } },
    });
    assert.deepEqual(entriesOf(fields), { text: 'world', n: '', on: true, key: '', list: [], more: '{\n  "a": 1\n}' });
    const again = entriesOf(fields, { text: 'you', n: 3, on: false, key: '**********', list: [1, 2] });
    assert.deepEqual(again, { text: 'you', n: '3', on: false, key: '', list: ['1', '2'], more: '{\n  "a": 1\n}' });
    assert.deepEqual(readEntries(fields, again).input, { text: 'you', n: 3, on: false, list: [1, 2], more: { a: 1 } });
});

test("the API's names of fields are the form's", () => {
    assert.deepEqual(problemsOf([
        { field: 'input.text', description: 'Invalid type' }, { field: 'input.list.1', description: 'x' }, 5, { field: 1 },
    ]), { text: 'Invalid type', 'list[1]': 'x' });
    assert.deepEqual(problemsOf(undefined), {});
});

test('a slider moves by whole numbers, or by about a hundredth of the range', () => {
    const step = (s: Json) => stepOf(fieldsOf({ f: s })[0] as Field);
    assert.equal(step({ type: 'integer', minimum: 0, maximum: 1000 }), 1);
    assert.equal(step({ type: 'number', minimum: 0, maximum: 1 }), 0.01);
    assert.equal(step({ type: 'number', minimum: 0, maximum: 5 }), 0.1);
    assert.equal(step({ type: 'number', minimum: 0, maximum: 0 }), 0.01);
});

test('a sample has all that must be given, and the defaults', () => {
    assert.deepEqual(sampleInput(fieldsOf({
        prompt: { type: 'string' }, image: { type: 'string', format: 'uri' }, n: { type: 'integer', default: 3 },
        mode: { enum: ['a', 'b'], type: 'string' }, not: { type: 'string' },
    }, ['prompt', 'image', 'mode'])), { prompt: '…', image: 'https://example.com/input.png', n: 3, mode: 'a' });
});
