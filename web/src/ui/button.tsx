// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact';

export interface ButtonProps {
    children: ComponentChildren;
    kind?: 'primary' | 'plain' | 'quiet' | 'danger';
    type?: 'button' | 'submit';
    href?: string; // a link that looks like a button
    busy?: boolean; // shows that it works on it, and takes no second click
    disabled?: boolean;
    small?: boolean;
    title?: string;
    label?: string; // for those who cannot see an icon
    onClick?: (event: MouseEvent) => void;
}

export function Button(p: ButtonProps) {
    const look = `button ${p.kind ?? 'plain'}${p.small ? ' small' : ''}`;

    if (p.href !== undefined)
        return <a class={look} href={p.href} title={p.title} aria-label={p.label} onClick={p.onClick}>{p.children}</a>;
    return (
        <button type={p.type ?? 'button'} class={look} title={p.title} aria-label={p.label} aria-busy={p.busy || undefined}
            disabled={p.disabled || p.busy} onClick={p.onClick}>
            {p.busy && <span class="spinner" aria-hidden="true" />}
            {p.children}
        </button>
    );
}
