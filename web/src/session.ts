// SPDX-License-Identifier: Apache-2.0
// Who is signed in, and for which account this tab asks. The tokens themselves stay in the server's
// cookie, which scripts cannot read; the choice of account is the tab's.
import { createStore } from './store';
import type { Account } from './types';

export interface Session {
    csrf: string;
    accounts: Account[];
    current: string; // the account that signed in last
}

// undefined: not asked yet; null: nobody is signed in.
export const session = createStore<Session | null | undefined>(undefined);
export const account = createStore<string | null>(null);

const CHOICE = 'berth-account';

export function currentAccount(): string | null {
    return account.get();
}

export function holdsAccount(username: string): boolean {
    return session.get()?.accounts.some((a) => a.username === username) ?? false;
}

export function takeSession(value: Session | null): void {
    const names = value?.accounts.map((a) => a.username) ?? [];
    const wanted = remembered();

    account.set(wanted && names.includes(wanted) ? wanted : (value?.current ?? names[0] ?? null));
    session.set(value && names.length > 0 ? value : null);
}

export function chooseAccount(username: string): void {
    if (!holdsAccount(username)) return;
    try {
        localStorage.setItem(CHOICE, username);
    } catch {
        // a browser that keeps nothing: the choice lasts as long as the page
    }
    account.set(username);
}

// Somebody gave a token: its account is the one that they want to see.
export function signedIn(value: Session): void {
    takeSession(value);
    chooseAccount(value.current);
}

export function forgetSession(): void {
    session.set(null);
}

function remembered(): string | null {
    try {
        return localStorage.getItem(CHOICE);
    } catch {
        return null;
    }
}
