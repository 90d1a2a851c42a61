// SPDX-License-Identifier: Apache-2.0
// The frame of a page: its title in the tab, where it lies, and what can be done here; tabs that
// are addresses.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

export interface Crumb {
    label: string;
    href: string;
}

export function Page({ title, heading, crumbs = [], actions, note, children }: {
    title: string; // of the browser's tab, and of the page where `heading` is not given
    heading?: ComponentChildren;
    crumbs?: readonly Crumb[];
    actions?: ComponentChildren;
    note?: ComponentChildren;
    children: ComponentChildren;
}) {
    useEffect(() => {
        document.title = `${title} · Berth`;
    }, [title]);
    return (
        <main id="main" class="page" tabIndex={-1}>
            <header class="page-head">
                <div>
                    {crumbs.length > 0 && (
                        <nav class="crumbs" aria-label="Where this is">
                            {crumbs.map((c) => <a key={c.href} href={c.href}>{c.label}</a>)}
                        </nav>
                    )}
                    <h1>{heading ?? title}</h1>
                    {note && <div class="note">{note}</div>}
                </div>
                {actions && <div class="actions">{actions}</div>}
            </header>
            {children}
        </main>
    );
}

export interface Tab {
    label: string;
    href: string;
}

export function Tabs({ tabs, current, label }: { tabs: readonly Tab[]; current: string; label: string }) {
    return (
        <nav class="tabs" aria-label={label}>
            {tabs.map((t) => (
                <a key={t.href} href={t.href} aria-current={t.href === current ? 'page' : undefined}>{t.label}</a>
            ))}
        </nav>
    );
}

export function Card({ title, actions, children }: {
    title?: ComponentChildren;
    actions?: ComponentChildren;
    children: ComponentChildren;
}) {
    return (
        <section class="card">
            {(title || actions) && (
                <header>
                    {title && <h2>{title}</h2>}
                    {actions && <div class="actions">{actions}</div>}
                </header>
            )}
            {children}
        </section>
    );
}
