// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInline, parseMarkdown, safeLink } from '../src/format/markdown';

const kinds = (text: string) => parseMarkdown(text).map((b) => b.kind);

test('blocks', () => {
    assert.deepEqual(kinds('# Title\n\nText\nmore\n\n- a\n- b\n\n1. c\n\n> quoted\n\n---\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |'),
        ['heading', 'paragraph', 'list', 'list', 'quote', 'rule', 'code', 'table']);
    assert.deepEqual(parseMarkdown('```\n# no heading\n```'), [{ kind: 'code', text: '# no heading' }]);
    assert.deepEqual(parseMarkdown('- a\n  goes on\n- b'), [{
        kind: 'list', ordered: false, start: 1, items: [[{ kind: 'text', text: 'a goes on' }], [{ kind: 'text', text: 'b' }]],
    }]);
});

test('a list with empty lines between its items is one list, and keeps its first number', () => {
    const text = (t: string) => [{ kind: 'text' as const, text: t }];
    assert.deepEqual(parseMarkdown('3. a\n\n4. b\n5. c\n\nafter'), [
        { kind: 'list', ordered: true, start: 3, items: [text('a'), text('b'), text('c')] }, { kind: 'paragraph', text: text('after') },
    ]);
    assert.equal(kinds('- a\n\n1. b').join(), 'list,list');
    assert.deepEqual(parseInline('[a](https://en.example/x_(y))'), [{ kind: 'link', text: 'a', href: 'https://en.example/x_(y)' }]);
});

test('words', () => {
    assert.deepEqual(parseInline('a **b** *c* `d_e_f` snake_case_name'), [
        { kind: 'text', text: 'a ' }, { kind: 'strong', text: 'b' }, { kind: 'text', text: ' ' }, { kind: 'em', text: 'c' },
        { kind: 'text', text: ' ' }, { kind: 'code', text: 'd_e_f' }, { kind: 'text', text: ' snake_case_name' },
    ]);
    assert.deepEqual(parseInline('[the paper](https://example.com/a "x")'), [{ kind: 'link', text: 'the paper', href: 'https://example.com/a' }]);
    assert.deepEqual(parseInline('see https://example.com/a.'), [
        { kind: 'text', text: 'see ' }, { kind: 'link', text: 'https://example.com/a', href: 'https://example.com/a' }, { kind: 'text', text: '.' },
    ]);
});

test('images are links, since the page asks no other host', () => {
    assert.deepEqual(parseInline('![cat](https://example.com/cat.png)'), [{ kind: 'link', text: 'cat', href: 'https://example.com/cat.png' }]);
});

test('what could run is text', () => {
    for (const bad of ['javascript:alert(1)', 'JAVASCRIPT:alert(1)', 'data:text/html,x', ' javascript:x', 'vbscript:x', '//evil.example'])
        assert.equal(safeLink(bad), null, bad);
    assert.deepEqual(parseInline('[x](javascript:alert(1))'), [{ kind: 'text', text: 'x' }]);
    assert.deepEqual(parseInline('<script>alert(1)</script>'), [{ kind: 'text', text: '<script>alert(1)</script>' }]);
});

test('any text ends, whatever it holds', () => {
    for (const text of ['', '```', '- ', '|', '| a |\n|---|', '>', '#', '*'.repeat(5000), '[' .repeat(5000), '`'.repeat(3001), '_a'.repeat(3000), '\t', '1)', '---\nno: end', '| | \n\n-'])
        assert.ok(Array.isArray(parseMarkdown(text)));
});
