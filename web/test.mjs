// SPDX-License-Identifier: Apache-2.0
// npm test: bundles each test/*.test.ts for Node and runs them with its own test runner.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'berth-web-test-'));
const tests = readdirSync(join(here, 'test')).filter((f) => f.endsWith('.test.ts'));
let code = 1;
try {
    await build({
        entryPoints: tests.map((f) => join(here, 'test', f)),
        outdir: out,
        outExtension: { '.js': '.mjs' },
        bundle: true,
        platform: 'node',
        format: 'esm',
        jsx: 'automatic',
        jsxImportSource: 'preact',
        logLevel: 'warning',
    });
    const built = tests.map((f) => join(out, f.replace(/\.ts$/, '.mjs')));
    code = spawnSync(process.execPath, ['--test', ...built], { stdio: 'inherit' }).status ?? 1;
} finally {
    rmSync(out, { recursive: true, force: true });
}
process.exit(code);
