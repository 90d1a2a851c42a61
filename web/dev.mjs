// SPDX-License-Identifier: Apache-2.0
// node dev.mjs [SERVER [PORT]]: the page as it stands in src/, built anew with each load, in front
// of a Berth that runs; for work on the dashboard.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const server = new URL(process.argv[2] ?? 'http://127.0.0.1:8080');
const port = Number(process.argv[3] ?? 8081);
const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'berth-web-'));
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html' };
// The same as the server's, so that what it would block is noticed here.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; " +
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

function file(res, path) {
    try {
        const body = readFileSync(path);
        res.writeHead(200, { 'Content-Type': `${TYPES[extname(path)] ?? 'text/plain'}; charset=utf-8`, 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-store' });
        res.end(body);
    } catch {
        res.writeHead(404).end();
    }
}

function pass(req, res) {
    const onward = request({ host: server.hostname, port: server.port, method: req.method, path: req.url, headers: req.headers }, (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
}

createServer((req, res) => {
    const path = new URL(req.url, 'http://localhost').pathname;
    if (path.startsWith('/assets/')) {
        file(res, join(out, 'assets', basename(path)));
    } else if (!/^\/(v1|v2|openai|session|healthz|metrics)(\/|$)/.test(path) && (req.headers.accept ?? '').includes('text/html')) {
        execFile(process.execPath, [join(here, 'build.mjs'), out], (error, _, text) => {
            if (!error) return file(res, join(out, 'index.html'));
            res.writeHead(500, { 'Content-Type': 'text/plain' }).end(text);
        });
    } else {
        pass(req, res);
    }
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port} in front of ${server.origin}`));
