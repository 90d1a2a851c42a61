// SPDX-License-Identifier: Apache-2.0
// Sign-in with a token. The token goes to the server once and stays there: the browser keeps only a
// cookie that no script can read.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../api';
import { ApiError } from '../problem';
import { session, signedIn, type Session } from '../session';
import { useStore } from '../store';
import { Button } from '../ui/button';
import { TextField } from '../ui/field';
import { Logo } from '../ui/logo';

export function SignInPage() {
    useEffect(() => {
        document.title = 'Sign in · Berth';
    }, []);
    return (
        <main id="main" class="signin" tabIndex={-1}>
            <div class="card">
                <h1><Logo /> Sign in to Berth</h1>
                <TokenForm action="Sign in" onDone={signedIn} />
                <details class="help">
                    <summary>Where is my token?</summary>
                    <p>It begins with <code>r8_</code>. <code>./run</code> prints where it keeps the first one: the file <code>data/token</code>.</p>
                    <p>Whoever may open the server’s data folder makes more of them:</p>
                    <pre tabIndex={0}><code>berth token create ACCOUNT</code></pre>
                </details>
            </div>
        </main>
    );
}

// Also adds the account of another token to the session.
export function TokenForm({ action, onDone }: { action: string; onDone: (value: Session) => void }) {
    const [token, setToken] = useState('');
    const [error, setError] = useState<string>();
    const [busy, setBusy] = useState(false);
    const here = useRef(true);
    const first = useStore(session) === null;

    useEffect(() => () => { here.current = false; }, []);
    const submit = async (event: Event) => {
        event.preventDefault();
        if (!token.trim()) {
            setError('Paste a token first; it begins with r8_.');
            return;
        }
        setBusy(true);
        setError(undefined);
        try {
            const value = await post<Session>('/session', { token: token.trim() });
            if (here.current) setToken('');
            onDone(value);
        } catch (e) {
            if (here.current) setError((e instanceof ApiError && e.fields.get('token')) || (e as Error).message);
        }
        if (here.current) setBusy(false);
    };
    return (
        <form class="stack" onSubmit={submit} noValidate>
            <TextField label="Token" type="password" value={token} onInput={setToken} error={error} required mono
                placeholder="r8_…" autoComplete="current-password" autoFocus={first}
                help="It stays on the server; this browser keeps a cookie that scripts cannot read." />
            <div class="actions"><Button kind="primary" type="submit" busy={busy}>{action}</Button></div>
        </form>
    );
}
