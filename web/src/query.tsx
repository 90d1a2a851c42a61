// SPDX-License-Identifier: Apache-2.0
// Data for a page: loaded once it is shown, again when an event says so or the connection is back,
// and given up when the page goes. What was seen before is shown until the new answer is there.
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { find, get, getText } from './api';
import { epoch, online, useLive, type LiveEvent } from './live';
import { Unreachable } from './problem';
import { account } from './session';
import { useStore } from './store';
import { Failure, Loading } from './ui/states';

export interface Query<T> {
    data: T | undefined;
    error: Error | undefined;
    loading: boolean; // for the first time, or anew
    reload: () => void;
    soon: () => void; // loads anew, once for all that ask within a moment
    set: (value: T) => void; // what an answer to a change already said
    update: (change: (value: T) => T) => void; // what an event said of a part; what is asked goes on
}

export interface QueryOptions {
    live?: string | readonly string[]; // types of events that make it load anew …
    about?: (event: LiveEvent) => boolean; // … where this says so
    gather?: number; // ms: what comes within them is one request
    text?: boolean; // the answer is text
    words?: string; // what to look for there; empty: everything
}

const seen = new Map<string, unknown>();
const MAX_SEEN = 60;
const GATHER = 250;

function remember(key: string, value: unknown): void {
    seen.delete(key);
    seen.set(key, value);
    if (seen.size > MAX_SEEN) seen.delete(seen.keys().next().value as string);
}

account.subscribe(() => seen.clear());

// `address` null: nothing to ask for yet.
export function useQuery<T>(address: string | null, o: QueryOptions = {}): Query<T> {
    const owner = useStore(account);
    const key = address === null ? null : `${owner} ${address} ${o.words ?? ''}`;
    const [state, setState] = useState<{ key: string | null; data?: T; error?: Error; loading: boolean }>(
        () => ({ key, data: key === null ? undefined : (seen.get(key) as T | undefined), loading: key !== null }));
    const running = useRef<AbortController | null>(null);
    const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

    const load = useCallback(() => {
        clearTimeout(timer.current);
        timer.current = undefined;
        running.current?.abort();
        running.current = null;
        if (address === null || key === null) return;
        const abort = new AbortController();
        running.current = abort;
        setState((s) => ({ ...(s.key === key ? s : { key, data: seen.get(key) as T | undefined }), key, loading: true }));
        const given = { signal: abort.signal };
        const asked: Promise<unknown> = o.text ? getText(address, given) : o.words ? find(address, o.words, given) : get(address, given);
        asked.then(
            (data) => {
                if (abort.signal.aborted) return;
                running.current = null;
                remember(key, data);
                setState({ key, data: data as T, loading: false });
            },
            (error: Error) => {
                if (abort.signal.aborted) return;
                running.current = null;
                setState((s) => ({ key, data: s.key === key ? s.data : undefined, error, loading: false }));
            },
        );
    }, [key]);

    useEffect(() => {
        load();
        return () => {
            clearTimeout(timer.current);
            timer.current = undefined;
            running.current?.abort();
        };
    }, [load]);
    // Soon, and not before what is already asked has been answered.
    const later = useCallback((pause: number) => {
        timer.current ??= setTimeout(() => {
            timer.current = undefined;
            if (running.current) later(pause);
            else load();
        }, pause);
    }, [load]);
    useEffect(() => epoch.subscribe(() => later(GATHER)), [later]);
    useLive(address === null ? [] : (o.live ?? []), (event) => {
        if (o.about && !o.about(event)) return;
        later(o.gather ?? GATHER);
    });

    const set = useCallback((data: T) => {
        if (key === null) return;
        running.current?.abort();
        running.current = null;
        remember(key, data);
        setState({ key, data, loading: false });
    }, [key]);
    const soon = useCallback(() => later(GATHER), [later]);
    const update = useCallback((change: (value: T) => T) => {
        setState((s) => (s.key === key && s.data !== undefined ? { ...s, data: change(s.data) } : s));
    }, [key]);
    const current = state.key === key;
    return {
        data: current ? state.data : key === null ? undefined : (seen.get(key) as T | undefined),
        error: current ? state.error : undefined,
        loading: current ? state.loading : key !== null,
        reload: load,
        soon,
        set,
        update,
    };
}

// Shows one of: still loading, why not, or what there is.
export function Loaded<T>({ query, what, children }: {
    query: Query<T>;
    what: string; // "the deployments"
    children: (data: T) => ComponentChildren;
}) {
    const connected = useStore(online);

    if (query.data !== undefined) {
        return (
            <>
                {query.error && !(query.error instanceof Unreachable) &&
                    <Failure error={query.error} what={what} retry={query.reload} />}
                {children(query.data)}
            </>
        );
    }
    // While the banner says that the server is gone, one that says it again helps nobody.
    if (query.error && connected) return <Failure error={query.error} what={what} retry={query.reload} />;
    return <Loading what={what} />;
}
