// SPDX-License-Identifier: Apache-2.0
// A sentence about what has just been done, for a few seconds, where it hides nothing.
import { createStore, useStore } from '../store';

interface Said {
    readonly text: string;
}

const said = createStore<Said | null>(null);
const SHOWN = 5000;
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string): void {
    said.set({ text });
    clearTimeout(timer);
    timer = setTimeout(() => said.set(null), SHOWN);
}

export function Toast() {
    const current = useStore(said);

    return <div class="toast" role="status">{current && <p>{current.text}</p>}</div>;
}
