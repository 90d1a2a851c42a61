// SPDX-License-Identifier: Apache-2.0
// A list that the API gives page by page, each added to what is there.
import { useEffect, useState } from 'preact/hooks';
import { find, get, type Page } from '../api';
import { useQuery, type Query, type QueryOptions } from '../query';
import type { Model } from '../types';

export interface Pages<T> {
    first: Query<Page<T>>;
    all: T[] | undefined; // of the pages that are there; undefined: not even the first
    more: (() => void) | undefined; // there is another page, and this brings it
    busy: boolean;
    error: Error | undefined; // of what came last
}

// The pages behind the first one. They follow an address: where the first page says another one, as it does when something
// has been pushed meanwhile, they are asked for again, as many as there were.
interface Rest<T> {
    from: string | null;
    pages: readonly Page<T>[];
}

// The models that one may see, or those with some words.
export function useModels(words: string, o: QueryOptions = {}): Pages<Model> {
    return usePages<Model>('/v1/models', { ...o, words });
}

// `address` null: nothing to ask for yet.
export function usePages<T>(address: string | null, o: QueryOptions = {}): Pages<T> {
    const { words = '' } = o;
    const first = useQuery<Page<T>>(address, o);
    const what = `${address} ${words}`;
    const [rest, setRest] = useState<Rest<T>>({ from: null, pages: [] });
    const [wanted, setWanted] = useState({ what, pages: 0 });
    const [error, setError] = useState<Error>();
    const from = first.data?.next ?? null;
    const pages = rest.from === from ? rest.pages : [];
    const next = (pages.at(-1) ?? first.data)?.next ?? null;
    const busy = next !== null && !error && wanted.what === what && pages.length < wanted.pages;

    useEffect(() => {
        if (!busy) return;
        const abort = new AbortController();
        const given = { signal: abort.signal };
        (words ? find<Page<T>>(next, words, given) : get<Page<T>>(next, given)).then(
            (page) => abort.signal.aborted || setRest({ from, pages: [...pages, page] }),
            (e: Error) => abort.signal.aborted || setError(e),
        );
        return () => abort.abort();
    }, [busy, next]);

    const more = next === null ? undefined : () => {
        setError(undefined);
        setWanted({ what, pages: pages.length + 1 });
    };
    return { first, all: first.data && [first.data, ...pages].flatMap((page) => page.results), more, busy, error: first.error ?? error };
}
