// SPDX-License-Identifier: Apache-2.0
// The shell around all pages: navigation, account, the banner when the server is gone; the sign-in
// in place of a page while nobody is signed in, so that a shared address leads on afterwards.
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { del, get } from './api';
import { epoch, online } from './live';
import { ApiError } from './problem';
import { NotFoundPage } from './pages/notfound';
import { SignInPage } from './pages/signin';
import { useLocation } from './router';
import { findRoute } from './routes';
import { account, chooseAccount, holdsAccount, session, takeSession, type Session } from './session';
import { useStore } from './store';
import { chooseTheme, theme, type Theme } from './theme';
import { Button } from './ui/button';
import { Logo } from './ui/logo';
import { Failure, Loading } from './ui/states';
import { say, Toast } from './ui/toast';

const SECTIONS = [
    { href: '/deployments', label: 'Deployments' },
    { href: '/models', label: 'Models' },
    { href: '/hardware', label: 'Hardware' },
    { href: '/account', label: 'Account' },
];

export function App() {
    const current = useStore(session);
    const connected = useStore(online);
    const [error, setError] = useState<Error>();
    const [tries, setTries] = useState(0);

    useEffect(() => {
        const ask = () => {
            if (session.get() !== undefined) return;
            setError(undefined);
            get<Session>('/session').then(takeSession, (e: Error) => {
                // "Nobody is signed in" is an answer; api.ts has already taken note of it.
                if (!(e instanceof ApiError && e.status === 401)) setError(e);
            });
        };
        ask();
        return epoch.subscribe(ask);
    }, [tries]);
    return (
        <>
            <a class="skip" href="#main">Skip to the page</a>
            {!connected && (
                <div class="banner" role="alert">
                    The server cannot be reached. What you see may be old; this page goes on as soon as it is back.
                </div>
            )}
            {current === undefined
                ? <main id="main" class="page">{error && connected ? <Failure error={error} what="the session" retry={() => setTries(tries + 1)} /> : <Loading what="the dashboard" />}</main>
                : current === null ? <SignInPage /> : <Shell />}
            <Toast />
        </>
    );
}

function Shell() {
    const { path } = useLocation();
    const owner = useStore(account);
    const found = findRoute(path);
    const Part = found?.route.page;
    // A shared address of a deployment is looked at as its owner, where they are signed in too.
    const belongs = found?.route.owned ? found.params.owner : undefined;
    const other = belongs !== undefined && belongs !== owner && holdsAccount(belongs) ? belongs : undefined;
    const key = `${owner} ${path.split('/').slice(0, 4).join('/')}`;
    const shown = useRef(key);

    useEffect(() => {
        if (!other) return;
        chooseAccount(other);
        say(`Switched to the account ${other}.`);
    }, [other]);

    // Who cannot see that the page has changed hears it, and goes on from its beginning.
    useEffect(() => {
        if (shown.current === key) return;
        shown.current = key;
        const main = document.getElementById('main');
        if (main && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
    }, [key]);

    return (
        <>
            <header class="top">
                <a class="brand" href="/deployments"><Logo /> <span>Berth</span></a>
                <nav class="sections" aria-label="Sections">
                    {SECTIONS.map((s) => (
                        <a key={s.href} href={s.href} aria-current={found?.route.section === s.href ? 'page' : undefined}>{s.label}</a>
                    ))}
                </nav>
                <AccountMenu />
            </header>
            <Guard key={key}>
                {other ? null : Part ? <Part key={key} {...found.params} /> : <NotFoundPage />}
            </Guard>
        </>
    );
}

function AccountMenu() {
    const accounts = useStore(session)?.accounts ?? [];
    const chosen = useStore(account);
    const look = useStore(theme);
    const [busy, setBusy] = useState(false);
    const signOut = async () => {
        setBusy(true);
        try {
            await del('/session');
            takeSession(null);
        } catch (e) {
            say((e as Error).message);
        }
        setBusy(false);
    };

    const menu = useRef<HTMLDetailsElement>(null);

    // It closes with Escape, with a click elsewhere, and when it has led to another page.
    useEffect(() => {
        const close = (event: Event) => {
            const inside = menu.current?.contains(event.target as Node);
            const led = inside && (event.target as Element).closest('a');
            if (!menu.current?.open || (event instanceof KeyboardEvent ? event.key !== 'Escape' : inside && !led)) return;
            menu.current.open = false;
            if (event instanceof KeyboardEvent) menu.current.querySelector('summary')?.focus();
        };
        document.addEventListener('click', close);
        document.addEventListener('keydown', close);
        return () => {
            document.removeEventListener('click', close);
            document.removeEventListener('keydown', close);
        };
    }, []);
    return (
        <details class="menu" ref={menu}>
            <summary><span class="avatar" aria-hidden="true">{(chosen ?? '?').slice(0, 1).toUpperCase()}</span> <span class="who">{chosen}</span></summary>
            <div class="menu-body">
                <label>
                    Account
                    <select value={chosen ?? ''} onChange={(e) => chooseAccount(e.currentTarget.value)}>
                        {accounts.map((a) => <option key={a.username} value={a.username}>{a.username}</option>)}
                    </select>
                </label>
                <a href="/account?add=1">Add an account</a>
                <label>
                    Theme
                    <select value={look} onChange={(e) => chooseTheme(e.currentTarget.value as Theme)}>
                        <option value="system">System</option>
                        <option value="light">Light</option>
                        <option value="dark">Dark</option>
                    </select>
                </label>
                <Button onClick={signOut} busy={busy}>Sign out</Button>
            </div>
        </details>
    );
}

// A mistake of ours in one page must not take the navigation with it.
class Guard extends Component<{ children: ComponentChildren }, { error: Error | null }> {
    override state = { error: null as Error | null };

    static override getDerivedStateFromError(error: Error) {
        return { error };
    }

    override componentDidCatch(error: Error) {
        console.error(error);
    }

    override render() {
        if (!this.state.error) return this.props.children;
        return (
            <main id="main" class="page">
                <Failure error={new Error(`This page broke: ${this.state.error.message}`)} retry={() => this.setState({ error: null })} />
            </main>
        );
    }
}
