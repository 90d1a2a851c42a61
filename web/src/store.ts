// SPDX-License-Identifier: Apache-2.0
// A value that several parts of the page look at: the smallest thing that does without a library.
import { useEffect, useState } from 'preact/hooks';

export interface Store<T> {
    get(): T;
    set(value: T): void;
    subscribe(listener: (value: T) => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
    const listeners = new Set<(value: T) => void>();
    let current = initial;

    return {
        get: () => current,
        set(value) {
            if (Object.is(value, current)) return;
            current = value;
            for (const listener of [...listeners]) listener(value);
        },
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
    };
}

// Draws the component again only when what it picked has changed.
export function useStore<T, P = T>(store: Store<T>, pick: (value: T) => P = (v) => v as unknown as P): P {
    const [, redraw] = useState({});
    const picked = pick(store.get());

    useEffect(() => {
        let last = pick(store.get());
        if (!Object.is(last, picked)) redraw({});
        return store.subscribe((value) => {
            const next = pick(value);
            if (Object.is(next, last)) return;
            last = next;
            redraw({});
        });
    }, [store]);
    return picked;
}
