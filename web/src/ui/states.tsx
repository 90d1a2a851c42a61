// SPDX-License-Identifier: Apache-2.0
// What stands where data is not (yet): loading, nothing there, and why it could not be had.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError, otherErrors } from '../problem';
import { Button } from './button';

// Says nothing for a moment, so that quick answers do not flash.
export function Loading({ what }: { what: string }) {
    const [late, setLate] = useState(false);

    useEffect(() => {
        const timer = setTimeout(() => setLate(true), 250);
        return () => clearTimeout(timer);
    }, []);
    return (
        <div class="loading" role="status">
            {late && <><span class="spinner" aria-hidden="true" /> Loading {what}…</>}
        </div>
    );
}

export function Empty({ title, children, action }: {
    title: string;
    children?: ComponentChildren;
    action?: ComponentChildren;
}) {
    return (
        <div class="empty">
            <h2>{title}</h2>
            {children}
            {action && <div class="actions">{action}</div>}
        </div>
    );
}

export function Failure({ error, what, retry }: { error: Error; what?: string; retry?: () => void }) {
    return (
        <Notice tone="bad" role="alert">
            <p>
                <strong>{what ? `Could not load ${what}.` : 'That did not work.'}</strong>{' '}
                {error instanceof ApiError ? otherErrors(error.problem, []).join(' ') : error.message}
                {error instanceof ApiError && error.status >= 500 && ' The server’s log says more.'}
            </p>
            {retry && <Button onClick={retry}>Try again</Button>}
        </Notice>
    );
}

export function Notice({ tone = 'info', role, children }: {
    tone?: 'info' | 'good' | 'warn' | 'bad';
    role?: 'alert' | 'status';
    children: ComponentChildren;
}) {
    return <div class={`notice ${tone}`} role={role}>{children}</div>;
}
