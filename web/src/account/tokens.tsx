// SPDX-License-Identifier: Apache-2.0
// The account's tokens. A new one is shown once: the server keeps only its hash.
import { useState } from 'preact/hooks';
import { del, post } from '../api';
import { ApiError } from '../problem';
import { Loaded, useQuery } from '../query';
import { path } from '../router';
import type { Token } from '../types';
import { Button } from '../ui/button';
import { Code } from '../ui/code';
import { Confirm, Dialog } from '../ui/dialog';
import { TextField } from '../ui/field';
import { Card } from '../ui/page';
import { Notice } from '../ui/states';
import { Table } from '../ui/table';
import { Badge, Time } from '../ui/text';
import { say } from '../ui/toast';

const ADDRESS = '/v1/account/tokens';

export function Tokens() {
    const tokens = useQuery<{ results: Token[] }>(ADDRESS);
    const [making, setMaking] = useState(false);
    const [leaving, setLeaving] = useState<Token>();

    return (
        <Card title="Tokens" actions={<Button onClick={() => setMaking(true)}>Create a token</Button>}>
            <p class="muted">With a token, programs do what this page does. Give each its own, so that one can be deleted without the others.</p>
            <Loaded query={tokens} what="the tokens">
                {({ results }) => (
                    <Table caption="Tokens" rows={results} keyOf={(t) => t.id} columns={[
                        {
                            title: 'Name', head: true,
                            cell: (t) => <>{t.name || <span class="muted">without a name</span>} {t.current && <Badge tone="good" title="This session was made with it">this session</Badge>}<div class="sub"><code>{t.hint}</code></div></>,
                        },
                        { title: 'Created', cell: (t) => <Time at={t.created_at} /> },
                        { title: 'Last used', cell: (t) => <Time at={t.last_used_at} /> },
                        {
                            title: 'Delete the token', hideTitle: true, align: 'right',
                            cell: (t) => <Button small kind="danger" label={`Delete the token ${t.name ?? t.hint}`} onClick={() => setLeaving(t)}>Delete</Button>,
                        },
                    ]} />
                )}
            </Loaded>
            {making && <Make onClose={() => { setMaking(false); tokens.reload(); }} />}
            {leaving && (
                <Confirm title={`Delete the token ${leaving.name ?? leaving.hint}?`} action="Delete token" danger onClose={() => setLeaving(undefined)}
                    onConfirm={async () => {
                        await del(path`/v1/account/tokens/${leaving.id}`);
                        setLeaving(undefined);
                        say('The token is deleted.');
                        tokens.reload();
                    }}>
                    <p>Programs and sessions that use it are refused at once. {leaving.current && <strong>Your own session was made with it: you will be signed out.</strong>}</p>
                </Confirm>
            )}
        </Card>
    );
}

function Make({ onClose }: { onClose: () => void }) {
    const [name, setName] = useState('');
    const [made, setMade] = useState<Token>();
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const submit = async (event: Event) => {
        event.preventDefault();
        setBusy(true);
        setError(undefined);
        try {
            setMade(await post<Token>(ADDRESS, name.trim() ? { name: name.trim() } : {}));
        } catch (e) {
            setError(e as Error);
        }
        setBusy(false);
    };

    if (made?.token) {
        return (
            <Dialog title="The new token" onClose={onClose}>
                <Notice tone="warn"><p>Copy it now: it is not shown again.</p></Notice>
                <Code label="Token" text={made.token} />
                <div class="actions end"><Button kind="primary" onClick={onClose}>Done</Button></div>
            </Dialog>
        );
    }
    return (
        <Dialog title="Create a token" onClose={onClose}>
            <form onSubmit={submit}>
                <TextField label="Name" value={name} onInput={setName} optional autoFocus placeholder="laptop" error={(error instanceof ApiError && error.fields.get('name')) || error?.message}
                    help="What it is for, so that you know it again." />
                <div class="actions end">
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="primary" type="submit" busy={busy}>Create token</Button>
                </div>
            </form>
        </Dialog>
    );
}
