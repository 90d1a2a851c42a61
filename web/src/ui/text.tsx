// SPDX-License-Identifier: Apache-2.0
// Small things inside of text: states, times, money, counts, ids.
import type { ComponentChildren } from 'preact';
import { moneyText, priceText } from '../format/number';
import { durationText, exactTime, relativeTime } from '../format/time';
import { createStore, useStore } from '../store';

export type Tone = 'good' | 'calm' | 'busy' | 'bad' | 'none';

// One table: each state that the API knows, and how it looks.
const TONES: Record<string, Tone> = {
    active: 'good', succeeded: 'good', ready: 'good', delivered: 'good', ok: 'good', promoted: 'good',
    idle: 'calm', new: 'calm', over: 'calm',
    waiting: 'busy', 'setting up': 'busy', setup: 'busy', booting: 'busy', starting: 'busy', processing: 'busy', building: 'busy',
    queued: 'busy', pending: 'busy', draining: 'busy', stopping: 'busy', warned: 'busy', canary: 'busy', shadow: 'busy', on: 'busy',
    failed: 'bad', reached: 'bad', halted: 'bad',
    offline: 'none', disabled: 'none', canceled: 'none', aborted: 'none', ended: 'none', deleted: 'none',
};

export function StateBadge({ state, title }: { state: string; title?: string }) {
    return <Badge tone={TONES[state] ?? 'none'} title={title} dot>{state}</Badge>;
}

export function Badge({ tone = 'none', title, dot, children }: {
    tone?: Tone;
    title?: string | undefined;
    dot?: boolean;
    children: ComponentChildren;
}) {
    return <span class={`badge ${tone}`} title={title}>{dot && <i aria-hidden="true" />}{children}</span>;
}

// The present moment in steps of a second: one timer for all times on the page, and none while
// there are none.
const now = createStore(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;
const ticking = {
    ...now,
    subscribe(listener: (value: number) => void) {
        const end = now.subscribe(listener);
        if (watchers++ === 0) timer = setInterval(() => document.hidden || now.set(Date.now()), 1000);
        return () => {
            end();
            if (--watchers === 0) clearInterval(timer);
        };
    },
    get: () => (watchers ? now.get() : Date.now()),
};

// "3 minutes ago", exact on hover. Drawn again only when the words change.
export function Time({ at }: { at: string | null | undefined }) {
    const ms = at ? Date.parse(at) : NaN;
    const text = useStore(ticking, (value) => (at ? relativeTime(ms, value) : ''));

    if (!at) return <span class="faint">never</span>;
    return <time dateTime={at} title={exactTime(ms)}>{text}</time>;
}

// The present moment for what counts up (a prediction that runs), by the second.
export function useNow(): number {
    return useStore(ticking);
}

export function Money({ value, per, exact }: {
    value: number | null | undefined;
    per?: string;
    exact?: boolean; // a price, not a sum
}) {
    return (
        <span class="number" title={value ? String(value) : undefined}>
            {exact ? priceText(value) : moneyText(value)}
            {per && <span class="faint"> / {per}</span>}
        </span>
    );
}

export function Duration({ seconds }: { seconds: number | null | undefined }) {
    return <span class="number" title={seconds ? `${seconds} s` : undefined}>{durationText(seconds)}</span>;
}

// The first digits of a version, the rest on hover.
export function VersionId({ id, href }: { id: string; href?: string }) {
    const text = <code class="id" title={id}>{id.slice(0, 8)}</code>;
    return href ? <a href={href}>{text}</a> : text;
}
