// SPDX-License-Identifier: Apache-2.0
// Requests to the public API with the session's cookie. The server takes a cookie only together
// with the session's Berth-CSRF value where something is changed, which no other site can know.
import { reachable, unreachable } from './live';
import { ApiError, Unreachable, problemOf } from './problem';
import { currentAccount, forgetSession, session } from './session';

export interface RequestOptions {
    signal?: AbortSignal;
    headers?: Record<string, string>;
    account?: string; // instead of the chosen one
}

export interface Page<T> {
    next: string | null;
    previous: string | null;
    results: T[];
}

export function sessionHeaders(account = currentAccount()): Record<string, string> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    const csrf = session.get()?.csrf;

    if (csrf) headers['Berth-CSRF'] = csrf;
    if (account) headers['Berth-Account'] = account;
    return headers;
}

// What early.ts has asked already, once, and for a moment: later it is old.
const EARLY = 5000;

function takeEarly(method: string, address: string, headers: Record<string, string>): Promise<Response> | undefined {
    const early = (globalThis as { berthEarly?: Map<string, Promise<Response>> }).berthEarly;
    const key = `${address === '/session' ? '' : (headers['Berth-Account'] ?? '')} ${address}`;
    const asked = method === 'GET' && performance.now() < EARLY ? early?.get(key) : undefined;

    if (method !== 'GET') early?.clear(); // what was asked before a change is old, too
    else early?.delete(key);
    return asked;
}

// The answer as it is, for those that read it piece by piece. Throws what the others throw.
export async function send(method: string, address: string, body?: unknown, o: RequestOptions = {}): Promise<Response> {
    const headers = { ...sessionHeaders(o.account), ...o.headers };
    const plain = body instanceof FormData || body instanceof Blob || typeof body === 'string';
    let response: Response;

    if (body !== undefined && !plain) headers['Content-Type'] = 'application/json';
    try {
        response = await takeEarly(method, ownAddress(address), headers) ?? await fetch(ownAddress(address), {
            method, headers, signal: o.signal ?? null, credentials: 'same-origin',
            body: body === undefined ? null : plain ? (body as BodyInit) : JSON.stringify(body),
        });
    } catch (e) {
        if (e instanceof DOMException && e.name === 'AbortError') throw e;
        unreachable();
        throw new Unreachable();
    }
    reachable();
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    // The session has ended, here or in another tab; the page shows the sign-in again.
    if (response.status === 401) forgetSession();
    throw new ApiError(problemOf(response.status, response.headers.get('Content-Type') ?? '', text));
}

// Addresses in answers (the next page, a prediction's own) are whole and may name the server's
// public address while the page was opened by another: only their path is used.
export function ownAddress(address: string): string {
    if (!/^https?:/.test(address)) return address;
    const url = new URL(address);
    return url.pathname + url.search;
}

async function json<T>(method: string, address: string, body?: unknown, o?: RequestOptions): Promise<T> {
    const response = await send(method, address, body, o);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
}

// A question with a text: the search for models.
export const find = <T>(address: string, text: string, o?: RequestOptions) => json<T>('QUERY', address, text, o);
export const get = <T>(address: string, o?: RequestOptions) => json<T>('GET', address, undefined, o);
export const post = <T>(address: string, body?: unknown, o?: RequestOptions) => json<T>('POST', address, body, o);
export const put = <T>(address: string, body?: unknown, o?: RequestOptions) => json<T>('PUT', address, body, o);
export const patch = <T>(address: string, body?: unknown, o?: RequestOptions) => json<T>('PATCH', address, body, o);
export const del = <T = void>(address: string, o?: RequestOptions) => json<T>('DELETE', address, undefined, o);

export async function getText(address: string, o: RequestOptions = {}): Promise<string> {
    const response = await send('GET', address, undefined, { ...o, headers: { Accept: 'text/plain', ...o.headers } });
    return response.text();
}
