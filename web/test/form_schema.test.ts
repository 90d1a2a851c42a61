// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readInput, readOutput, type Json } from '../src/form/schema';

// As Cog 0.23 writes it, by the order of its document and not of x-order.
const document = (properties: { [name: string]: Json }, required: string[] = [], more: { [name: string]: Json } = {}): Json => ({
    components: { schemas: { Input: { type: 'object', properties, required }, ...more } },
});

test('fields come by x-order, with label, help, default and bounds', () => {
    const fields = readInput(document({
        steps: { 'x-order': 1, type: 'integer', title: 'Steps', description: 'How many', minimum: 1, maximum: 50, default: 20 },
        prompt: { 'x-order': 0, type: 'string', minLength: 2, maxLength: 8, pattern: '^[a-z]+$' },
    }, ['prompt']));
    assert.deepEqual(fields, [
        { name: 'prompt', label: 'Prompt', help: '', kind: 'text', required: true, fallback: undefined, deprecated: false,
            minLength: 2, maxLength: 8, pattern: '^[a-z]+$' },
        { name: 'steps', label: 'Steps', help: 'How many', kind: 'integer', required: false, fallback: 20, deprecated: false,
            min: 1, max: 50 },
    ]);
});

test('choices behind a reference keep their own order and the default beside it', () => {
    const [f] = readInput(document(
        { size: { 'x-order': 0, allOf: [{ $ref: '#/components/schemas/size' }], default: 2 } }, [],
        { size: { title: 'size', description: 'An enumeration.', enum: [4, 1, 2], type: 'integer' } },
    ));
    assert.equal(f?.kind, 'choice');
    assert.deepEqual(f?.choices, [4, 1, 2]);
    assert.equal(f?.fallback, 2);
    assert.equal(f?.help, '');
});

test('each type has its kind', () => {
    const kinds = Object.fromEntries(readInput(document({
        text: { type: 'string' },
        file: { type: 'string', format: 'uri' },
        secret: { type: 'string', format: 'password', writeOnly: true, 'x-cog-secret': true },
        number: { type: 'number' },
        on: { type: 'boolean' },
        texts: { type: 'array', items: { type: 'string' } },
        files: { type: 'array', items: { type: 'string', format: 'uri' } },
        table: { type: 'array', items: { type: 'array', items: { type: 'number' } } },
        options: { type: 'object' },
        anything: {},
        optional: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
        either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
        newer: { type: ['string', 'null'] },
    })).map((f) => [f.name, f.item ? `${f.kind} of ${f.item.kind}` : f.kind]));
    assert.deepEqual(kinds, {
        text: 'text', file: 'file', secret: 'secret', number: 'number', on: 'boolean', texts: 'list of text',
        files: 'list of file', table: 'json', options: 'json', anything: 'json', optional: 'integer', either: 'json',
        newer: 'text',
    });
});

test('exclusive bounds of whole numbers are the next ones', () => {
    const [f] = readInput(document({ n: { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 10 } }));
    assert.deepEqual([f?.min, f?.max], [1, 9]);
});

test('what is broken gives no fields instead of an error', () => {
    for (const broken of [null, 'text', [], {}, { components: 1 }, { components: { schemas: { Input: { properties: [] } } } }])
        assert.deepEqual(readInput(broken), []);
    const circle = { components: { schemas: { Input: { $ref: '#/components/schemas/Input' } } } };
    assert.deepEqual(readInput(circle), []);
});

test('the output is read through its references', () => {
    const doc = { components: { schemas: { Output: { $ref: '#/components/schemas/Real' }, Real: { type: 'string', format: 'uri' } } } };
    assert.deepEqual(readOutput(doc), { type: 'string', format: 'uri' });
    assert.deepEqual(readOutput({}), {});
});
