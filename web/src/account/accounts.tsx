// SPDX-License-Identifier: Apache-2.0
// The accounts of this browser's session: choose, add, sign out one.
import { useEffect, useState } from 'preact/hooks';
import { del } from '../api';
import { TokenForm } from '../pages/signin';
import { account, chooseAccount, session, signedIn, takeSession } from '../session';
import { useStore } from '../store';
import { useLocation, withQuery } from '../router';
import { Button } from '../ui/button';
import { Card } from '../ui/page';
import { say } from '../ui/toast';
import { Badge } from '../ui/text';

export function Accounts() {
    const current = useStore(session);
    const chosen = useStore(account);
    const asked = useLocation().query.has('add'); // the menu leads here
    const [adding, setAdding] = useState(asked);
    const accounts = current?.accounts ?? [];

    useEffect(() => {
        if (asked) setAdding(true);
    }, [asked]);
    const signOut = async (username: string) => {
        try {
            await del(withQuery('/session', { account: username }));
            const left = accounts.filter((a) => a.username !== username);
            takeSession(left.length > 0 && current ? { ...current, accounts: left, current: left[0]!.username } : null);
        } catch (e) {
            say((e as Error).message);
        }
    };

    return (
        <Card title="Signed-in accounts">
            <ul class="rows">
                {accounts.map((a) => (
                    <li key={a.username}>
                        <span><strong>{a.username}</strong> {a.name !== a.username && <span class="muted">{a.name}</span>} {a.username === chosen && <Badge tone="good">current</Badge>}</span>
                        <span class="actions">
                            {a.username !== chosen && <Button small label={`Switch to ${a.username}`} onClick={() => chooseAccount(a.username)}>Switch</Button>}
                            <Button small kind="quiet" label={`Sign out ${a.username}`} onClick={() => signOut(a.username)}>Sign out</Button>
                        </span>
                    </li>
                ))}
            </ul>
            {adding
                ? <TokenForm action="Add account" onDone={(value) => { signedIn(value); setAdding(false); say('The account is added.'); }} />
                : <div class="actions"><Button onClick={() => setAdding(true)}>Add an account</Button></div>}
        </Card>
    );
}
