// SPDX-License-Identifier: Apache-2.0
// One event stream for the whole page, open while somebody looks at it and wants to know; and
// whether the server can be reached at all.
//
// Events only say what has changed. What was missed while the stream was closed is made up for by
// `epoch`, which grows whenever the stream opens again: whoever shows data loads it anew then.
import { useEffect, useRef } from 'preact/hooks';
import { account, session } from './session';
import { createStore } from './store';

export interface LiveEvent {
    readonly type: string;
    // What the server sent with it, as docs/api.md says.
    readonly data: Readonly<Record<string, unknown>>;
}

type Listener = (event: LiveEvent) => void;

export const online = createStore(true);
export const epoch = createStore(0);

const listeners = new Map<string, Set<Listener>>();
const FIRST_RETRY = 1000;
const LAST_RETRY = 10_000;
let source: EventSource | null = null;
let retry = FIRST_RETRY;
let timer: ReturnType<typeof setTimeout> | undefined;

// --- the stream ---------------------------------------------------------------------------------

function wanted(): boolean {
    return !document.hidden && listeners.size > 0 && !!session.get() && online.get();
}

function open(): void {
    const name = account.get();

    if (source || !wanted()) return;
    source = new EventSource(name ? `/v1/events?account=${encodeURIComponent(name)}` : '/v1/events');
    for (const type of listeners.keys()) source.addEventListener(type, hear);
    source.addEventListener('reset', missed);
    source.onopen = () => {
        retry = FIRST_RETRY;
        missed(); // also what happened between the first answer and the stream's beginning
    };
    source.onerror = () => {
        // The browser tries again by itself after a cut; not after an answer that is no stream.
        close();
        probe();
    };
}

function missed(): void {
    epoch.set(epoch.get() + 1);
}

function close(): void {
    source?.close();
    source = null;
}

function reopen(): void {
    close();
    open();
}

function hear(event: MessageEvent<string>): void {
    let data: LiveEvent['data'];

    try {
        data = JSON.parse(event.data) as LiveEvent['data'];
    } catch {
        return; // nothing of ours
    }
    for (const listener of [...(listeners.get(event.type) ?? [])]) listener({ type: event.type, data });
}

function subscribe(type: string, listener: Listener): () => void {
    const set = listeners.get(type) ?? new Set();

    set.add(listener);
    if (!listeners.has(type)) {
        listeners.set(type, set);
        source?.addEventListener(type, hear);
    }
    open();
    return () => {
        set.delete(listener);
        if (set.size > 0) return;
        listeners.delete(type);
        source?.removeEventListener(type, hear);
        if (listeners.size === 0) close();
    };
}

// Hears events of these types while the component is there.
export function useLive(types: string | readonly string[], listener: Listener): void {
    const latest = useRef(listener);
    const key = typeof types === 'string' ? types : types.join(' ');

    latest.current = listener;
    useEffect(() => {
        const ends = key.split(' ').filter(Boolean).map((type) => subscribe(type, (event) => latest.current(event)));
        return () => ends.forEach((end) => end());
    }, [key]);
}

// --- whether the server can be reached ----------------------------------------------------------

export function unreachable(): void {
    online.set(false);
    close();
    again();
}

export function reachable(): void {
    if (online.get()) return;
    clearTimeout(timer);
    timer = undefined;
    retry = FIRST_RETRY;
    online.set(true);
    missed();
    open();
}

function again(): void {
    if (timer !== undefined) return;
    timer = setTimeout(() => {
        timer = undefined;
        probe();
    }, retry);
    retry = Math.min(retry * 2, LAST_RETRY);
}

// Asks for what needs no session, to tell "the server is gone" from "the stream was refused".
function probe(): void {
    fetch('/healthz', { cache: 'no-store' }).then(
        () => {
            reachable();
            if (!source && timer === undefined && wanted()) {
                timer = setTimeout(() => {
                    timer = undefined;
                    open();
                }, retry);
                retry = Math.min(retry * 2, LAST_RETRY);
            }
        },
        unreachable,
    );
}

export function startLive(): void {
    document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
    window.addEventListener('online', probe);
    window.addEventListener('offline', unreachable);
    account.subscribe(reopen);
    session.subscribe((value) => (value ? open() : close()));
}
