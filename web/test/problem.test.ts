// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, fieldErrors, otherErrors, problemOf } from '../src/problem';

const REFUSED = {
    status: 400, title: 'Validation failed', detail: 'The following errors occurred:\n…',
    errors: [
        { pointer: '/version', detail: 'This field is required.' },
        { pointer: '/max_instances', detail: 'It must be at least as large.' },
        { pointer: '/scaling/target_wait', detail: 'It must be a number.' },
        { detail: 'the deployment is not disabled' },
    ],
};

test('errors come to the fields that their pointers name', () => {
    const fields = fieldErrors(REFUSED);

    assert.equal(fields.get('version'), 'This field is required.');
    assert.equal(fields.get('scaling.target_wait'), 'It must be a number.');
    assert.equal(fields.size, 3);
});

test('two errors of one field are both told', () => {
    const fields = fieldErrors({ status: 400, detail: '', errors: [{ pointer: '/name', detail: 'One.' }, { pointer: '/name', detail: 'Two.' }] });

    assert.equal(fields.get('name'), 'One. Two.');
});

test('a prediction names its inputs', () => {
    const fields = fieldErrors({ status: 422, detail: '…', invalid_fields: [{ type: 'number_lte', field: 'input.delay', description: 'Must be less than or equal to 5' }] });

    assert.equal(fields.get('input.delay'), 'Must be less than or equal to 5');
});

test('what no field of the form shows is told above it', () => {
    assert.deepEqual(otherErrors(REFUSED, ['version', 'max_instances']),
        ['the deployment is not disabled', 'scaling.target_wait: It must be a number.']);
    assert.deepEqual(otherErrors({ status: 404, detail: 'Not here.' }, []), ['Not here.']);
    assert.deepEqual(otherErrors({ status: 400, detail: 'x', errors: [{ pointer: '/name', detail: 'Bad.' }] }, ['name']), []);
});

test('pointers are unescaped', () => {
    assert.equal(fieldErrors({ status: 400, detail: '', errors: [{ pointer: '/a~1b/c~0d', detail: 'x' }] }).get('a/b.c~d'), 'X');
});

test('an answer without a sentence, of a proxy or cut off, is a problem all the same', () => {
    assert.match(problemOf(502, 'text/html', '<h1>Bad Gateway</h1>').detail, /502/);
    assert.match(problemOf(500, 'application/json', '{"detail":').detail, /500/);
    assert.equal(problemOf(429, 'application/problem+json', '{"detail":"Too many.","status":429}').detail, 'Too many.');
    assert.equal(new ApiError(problemOf(404, 'application/problem+json', '{"detail":"Gone.","status":404}')).message, 'Gone.');
});
