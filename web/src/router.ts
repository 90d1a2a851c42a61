// SPDX-License-Identifier: Apache-2.0
// Addresses: patterns, the history API, and links that need no reload. One table of patterns (in
// routes.ts) is all that knows where a page lives.
import { createStore, useStore } from './store';

export type Params = Readonly<Record<string, string>>;

export interface Location {
    readonly path: string; // decoded only segment by segment, by matchPath
    readonly query: URLSearchParams;
}

// "/deployments/:owner/:name/:tab?" against a path; null where it does not fit. A literal segment
// wins over a parameter by its place in the table, not here.
export function matchPath(pattern: string, path: string): Params | null {
    const wanted = pattern.split('/').filter(Boolean);
    const given = path.split('/').filter(Boolean);
    const params: Record<string, string> = {};

    if (given.length > wanted.length) return null;
    for (const [i, segment] of wanted.entries()) {
        const value = given[i];
        if (!segment.startsWith(':')) {
            if (value !== segment) return null;
            continue;
        }
        if (value === undefined) {
            if (segment.endsWith('?')) continue;
            return null;
        }
        try {
            params[segment.replace(/^:|\?$/g, '')] = decodeURIComponent(value);
        } catch {
            return null; // no percent-encoded UTF-8: no page has this address
        }
    }
    return params;
}

// path`/deployments/${owner}/${name}`: an address whose parts are encoded.
export function path(literals: TemplateStringsArray, ...values: (string | number)[]): string {
    return literals.reduce((all, text, i) => all + encodeURIComponent(String(values[i - 1])) + text);
}

// An address with its query; what is undefined, null or empty is left out.
export function withQuery(address: string, query: Record<string, string | number | null | undefined>): string {
    const q = new URLSearchParams();

    for (const [key, value] of Object.entries(query))
        if (value !== undefined && value !== null && value !== '') q.set(key, String(value));
    const text = q.toString();
    return text ? `${address}?${text}` : address;
}

function here(): Location {
    return { path: window.location.pathname, query: new URLSearchParams(window.location.search) };
}

const location = createStore<Location>(typeof window === 'undefined' ? { path: '/', query: new URLSearchParams() } : here());

export function useLocation(): Location {
    return useStore(location);
}

export function navigate(to: string, { replace = false } = {}): void {
    const before = window.location.pathname;

    if (replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    location.set(here());
    if (window.location.pathname !== before && !replace) window.scrollTo(0, 0);
}

// Plain clicks on links to our own pages do not reload. All else (other hosts, downloads, the API's
// addresses, a click with a modifier) stays the browser's.
function intercept(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || !link.href || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== window.location.origin || /^\/(v1|v2|assets|openai|metrics|session|healthz)(\/|$)/.test(url.pathname)) return;
    if (url.hash && url.pathname === window.location.pathname && url.search === window.location.search) return;
    event.preventDefault();
    navigate(url.pathname + url.search + url.hash);
}

export function startRouter(): void {
    window.addEventListener('popstate', () => location.set(here()));
    document.addEventListener('click', intercept);
}
