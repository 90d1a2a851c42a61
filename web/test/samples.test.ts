// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { samplesOf, toJs, toPython } from '../src/deployment/samples';

const INPUT = { text: 'it\'s "quoted"\n', n: 3, on: true, none: null, list: [1, 'a'], more: { 'a-b': {} } };
const target = { base: 'https://berth.example.com', owner: 'acme', name: 'app', input: INPUT, streams: false };

function code(id: string, t = target): string {
    return samplesOf(t).find((s) => s.id === id)?.code ?? '';
}

test('values are those of the language', () => {
    assert.deepEqual(new Function(`return ${toJs(INPUT)}`)(), INPUT);
    assert.equal(toPython({ a: true, b: null, c: [false] }), '{\n    "a": True,\n    "b": None,\n    "c": [False],\n}');
});

test('curl asks this deployment on this server, with a body that the shell hands on as it is', () => {
    const sample = code('curl');
    assert.match(sample, /'https:\/\/berth\.example\.com\/v1\/deployments\/acme\/app\/predictions'/);
    // A shell reads it: what would be sent is looked at, and nothing is.
    const sent = execFileSync('/bin/sh', ['-c', `curl() { for last; do :; done; printf %s "$last"; }\n${sample}`], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(sent), { input: INPUT });
});

test('JavaScript and Python name server, deployment and input', () => {
    assert.match(code('javascript'), /baseUrl: "https:\/\/berth\.example\.com\/v1"/);
    assert.match(code('javascript'), /"acme",\n {2}"app",\n/);
    assert.match(code('python'), /base_url="https:\/\/berth\.example\.com",/);
    assert.match(code('python'), /deployments\.get\("acme\/app"\)/);
    assert.match(code('python', { ...target, streams: true }), /prediction\.stream\(\)/);
    assert.match(code('javascript', { ...target, streams: true }), /urls\.stream/);
});

test('files that were put into the form do not fill the sample', () => {
    const long = samplesOf({ ...target, input: { file: `data:image/png;base64,${'A'.repeat(5000)}` } });
    for (const s of long) assert.ok(s.code.length < 1000);
});
