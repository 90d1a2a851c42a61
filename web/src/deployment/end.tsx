// SPDX-License-Identifier: Apache-2.0
// Disabling a deployment, enabling it again, and deleting it; the rule of deletion is told before it
// is applied.
import { useState } from 'preact/hooks';
import { del, patch } from '../api';
import { navigate } from '../router';
import type { Deployment } from '../types';
import { Button } from '../ui/button';
import { Confirm } from '../ui/dialog';
import { TextField } from '../ui/field';
import { Card } from '../ui/page';
import { say } from '../ui/toast';
import type { TabProps } from './page';

function Enable({ address, onDone, onClose }: { address: string; onDone: (d: Deployment) => void; onClose: () => void }) {
    const [max, setMax] = useState('1');
    return (
        <Confirm title="Enable this deployment?" action="Enable" onClose={onClose}
            onConfirm={async () => onDone(await patch<Deployment>(address, { max_instances: Number(max) }))}>
            <p>It takes predictions again. The minimum stays 0 until you set it.</p>
            <TextField label="Maximum instances" type="number" min={1} value={max} onInput={setMax} />
        </Confirm>
    );
}

export function EndOfIt({ deployment: d, address, onChanged }: TabProps) {
    const [open, setOpen] = useState<'disable' | 'enable' | 'delete' | null>(null);
    const disabled = d.current_release.configuration.max_instances === 0;
    const close = () => setOpen(null);
    const full = `${d.owner}/${d.name}`;
    const done = (after: Deployment, text: string) => {
        close();
        onChanged(after);
        say(text);
    };

    return (
        <Card title={disabled ? 'Enable or delete' : 'Disable or delete'}>
            <div class="end-row">
                <p>
                    {disabled
                        ? 'It is disabled: its minimum and maximum are 0. It takes no predictions.'
                        : 'Disabling sets minimum and maximum to 0: what waits or runs is canceled, new predictions are refused, and nothing costs any more.'}
                </p>
                {disabled
                    ? <Button onClick={() => setOpen('enable')}>Enable</Button>
                    : <Button kind="danger" onClick={() => setOpen('disable')}>Disable</Button>}
            </div>
            <div class="end-row">
                <p>
                    One that has run something can be deleted only when it is disabled and nothing has used it for a while (15 minutes,
                    unless the server says otherwise). {disabled ? '' : 'Disable it first.'}
                </p>
                <Button kind="danger" onClick={() => setOpen('delete')}>Delete</Button>
            </div>
            {open === 'disable' && (
                <Confirm title={`Disable ${full}?`} action="Disable" danger onClose={close}
                    onConfirm={async () => done(await patch<Deployment>(address, { min_instances: 0, max_instances: 0 }), 'It is disabled.')}>
                    <p>What waits or runs is canceled at once. New predictions are refused until it is enabled again.</p>
                </Confirm>
            )}
            {open === 'enable' && <Enable address={address} onClose={close} onDone={(after) => done(after, 'It is enabled.')} />}
            {open === 'delete' && (
                <Confirm title={`Delete ${full}?`} action="Delete deployment" danger typed={d.name} onClose={close}
                    onConfirm={async () => {
                        await del(address);
                        say(`${full} is deleted.`);
                        navigate('/deployments');
                    }}>
                    <p>Its releases and its address go. Its predictions and what it cost stay in your account.</p>
                    {!disabled && <p class="muted">It is not disabled: where it has run something, the server will refuse this.</p>}
                </Confirm>
            )}
        </Card>
    );
}
