// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchPath, path, withQuery } from '../src/router';

test('a pattern fits its addresses and no others', () => {
    assert.deepEqual(matchPath('/deployments', '/deployments'), {});
    assert.deepEqual(matchPath('/deployments', '/deployments/'), {});
    assert.equal(matchPath('/deployments', '/models'), null);
    assert.equal(matchPath('/deployments', '/deployments/create'), null);
    assert.deepEqual(matchPath('/:owner/:name', '/acme/hello'), { owner: 'acme', name: 'hello' });
    assert.equal(matchPath('/:owner/:name', '/acme'), null);
    assert.deepEqual(matchPath('/:owner/:name/versions/:id', '/acme/hello/versions/058e'),
        { owner: 'acme', name: 'hello', id: '058e' });
});

test('the last parameter may be missing where the pattern says so', () => {
    const pattern = '/deployments/:owner/:name/:tab?';

    assert.deepEqual(matchPath(pattern, '/deployments/acme/hello'), { owner: 'acme', name: 'hello' });
    assert.deepEqual(matchPath(pattern, '/deployments/acme/hello/logs'), { owner: 'acme', name: 'hello', tab: 'logs' });
    assert.equal(matchPath(pattern, '/deployments/acme/hello/logs/more'), null);
});

test('parameters are decoded; what is no UTF-8 fits nothing', () => {
    assert.deepEqual(matchPath('/p/:id', '/p/a%20b'), { id: 'a b' });
    assert.equal(matchPath('/p/:id', '/p/%ff'), null);
});

test('addresses are made with their parts encoded', () => {
    assert.equal(path`/deployments/${'acme'}/${'a/b c'}`, '/deployments/acme/a%2Fb%20c');
    assert.equal(withQuery('/models', { q: 'two words', page: 2, none: undefined, empty: '' }), '/models?q=two+words&page=2');
    assert.equal(withQuery('/models', {}), '/models');
});
