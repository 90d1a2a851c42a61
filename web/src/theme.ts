// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system has it. The choice is an attribute of the document; the style
// sheets do the rest.
import { createStore } from './store';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'berth-theme';
export const theme = createStore<Theme>('system');

export function chooseTheme(value: Theme): void {
    theme.set(value);
    try {
        localStorage.setItem(KEY, value);
    } catch {
        // kept as long as the page
    }
    apply(value);
}

export function startTheme(): void {
    let kept: string | null = null;

    try {
        kept = localStorage.getItem(KEY);
    } catch {
        // nothing is kept: the system's
    }
    if (kept === 'light' || kept === 'dark') theme.set(kept);
    apply(theme.get());
}

function apply(value: Theme): void {
    if (value === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
}
