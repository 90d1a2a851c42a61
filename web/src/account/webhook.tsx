// SPDX-License-Identifier: Apache-2.0
// The key that signs webhooks: hidden until it is asked for.
import { useState } from 'preact/hooks';
import { get, post } from '../api';
import { Button } from '../ui/button';
import { Code } from '../ui/code';
import { Confirm } from '../ui/dialog';
import { Card } from '../ui/page';
import { Failure } from '../ui/states';
import { say } from '../ui/toast';

const ADDRESS = '/v1/webhooks/default/secret';

export function WebhookSecret() {
    const [key, setKey] = useState<string>();
    const [error, setError] = useState<Error>();
    const [asking, setAsking] = useState(false);
    const show = () => get<{ key: string }>(ADDRESS).then((s) => { setKey(s.key); setError(undefined); }, setError);

    return (
        <Card title="Webhook signing secret">
            <p class="muted">Messages to your webhooks are signed with it, so that you can tell that they come from here.</p>
            {key && <Code label="Signing secret" text={key} />}
            {error && <Failure error={error} what="the secret" retry={show} />}
            <div class="actions">
                {key ? <Button onClick={() => setKey(undefined)}>Hide secret</Button> : <Button onClick={show}>Show secret</Button>}
                <Button kind="danger" onClick={() => setAsking(true)}>Rotate secret</Button>
            </div>
            {asking && (
                <Confirm title="Rotate the signing secret?" action="Rotate secret" danger onClose={() => setAsking(false)}
                    onConfirm={async () => {
                        setKey((await post<{ key: string }>(ADDRESS)).key);
                        setAsking(false);
                        say('Messages are signed with the new secret.');
                    }}>
                    <p>For 24 hours messages carry two signatures, of the new secret and of the one before it; until then your receivers must know the new one.</p>
                </Confirm>
            )}
        </Card>
    );
}
