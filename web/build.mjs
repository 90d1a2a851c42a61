// SPDX-License-Identifier: Apache-2.0
// node build.mjs OUTDIR: makes OUTDIR/index.html and OUTDIR/assets/NAME-HASH.{js,css}, which the
// binary embeds. Fails where the JavaScript, compressed, is more than the limit.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const LIMIT = 120_000; // bytes of all JavaScript, gzipped
const here = dirname(fileURLToPath(import.meta.url));
const outdir = process.argv[2] && resolve(process.argv[2]);
if (!outdir) {
    console.error('Usage: node build.mjs OUTDIR');
    process.exit(2);
}

const assets = join(outdir, 'assets');
rmSync(assets, { recursive: true, force: true }); // no file of an earlier build may stay
mkdirSync(assets, { recursive: true });

const result = await build({
    absWorkingDir: here,
    entryPoints: { early: 'src/early.ts', app: 'src/main.tsx', style: 'src/style/index.css' },
    outdir: assets,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome105', 'firefox110', 'safari16'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
});

const files = Object.entries(result.metafile.outputs).map(([path, about]) => ({
    name: basename(path),
    path: resolve(here, path),
    entry: about.entryPoint,
    // What the entry imports at once must not wait until the entry itself has been read.
    imports: about.imports.filter((i) => i.kind === 'import-statement').map((i) => basename(i.path)),
}));
const app = files.find((f) => f.entry === 'src/main.tsx');
const style = files.find((f) => f.entry === 'src/style/index.css');
const early = files.find((f) => f.entry === 'src/early.ts');
const deployment = files.find((f) => f.entry === 'src/deployment/page.tsx');
const preloads = app.imports.map((f) => `<link rel="modulepreload" href="/assets/${f}">\n`).join('');
// It runs before all others, as a plain script: an import would make it a module.
if (early.imports.length > 0) throw new Error('src/early.ts must import nothing');
const html = readFileSync(join(here, 'index.html'), 'utf8')
    .replace('{{style}}', `/assets/${style.name}`)
    .replace('{{early}}', `/assets/${early.name}`)
    .replace('{{deployment}}', `/assets/${deployment.name}`)
    .replace('{{preloads}}', preloads)
    .replace('{{app}}', `/assets/${app.name}`);
writeFileSync(join(outdir, 'index.html'), html);

let total = 0;
for (const f of files) {
    const size = gzipSync(readFileSync(f.path), { level: 9 }).length;
    console.log(`${String(size).padStart(7)} ${f.name}`);
    if (f.name.endsWith('.js')) total += size;
}
console.log(`${String(total).padStart(7)} bytes of JavaScript, gzipped (at most ${LIMIT})`);
if (total > LIMIT) {
    console.error('build.mjs: that is too much; the dashboard is to stay small.');
    process.exit(1);
}
