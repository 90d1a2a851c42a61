// SPDX-License-Identifier: Apache-2.0
// How much may be spent in a day or a month, of an account or of a deployment: the API has one
// form for both.
import { useState } from 'preact/hooks';
import { del, put } from '../api';
import { ApiError, otherErrors } from '../problem';
import { Loaded, useQuery, type Query } from '../query';
import type { Budget } from '../types';
import { Button } from '../ui/button';
import { Confirm } from '../ui/dialog';
import { Select, TextField } from '../ui/field';
import { Card } from '../ui/page';
import { Failure, Notice } from '../ui/states';
import { Money, StateBadge, Time } from '../ui/text';
import { say } from '../ui/toast';

const FIELDS = ['amount', 'period', 'warn_at', 'webhook'] as const;

export function BudgetCard({ address, of: what }: { address: string; of: string }) {
    const budget = useQuery<Budget>(address);
    const [editing, setEditing] = useState(false);
    const [removing, setRemoving] = useState(false);
    const none = budget.error instanceof ApiError && budget.error.status === 404;

    return (
        <Card title="Budget">
            {editing ? <Form address={address} query={budget} before={none ? undefined : budget.data} onClose={() => setEditing(false)} />
                : none ? (
                    <>
                        <p class="muted">There is no limit to what {what} may cost. With a budget, nothing more starts once it is spent; what waits stays in the queue.</p>
                        <div class="actions"><Button onClick={() => setEditing(true)}>Set a budget</Button></div>
                    </>
                ) : (
                    <Loaded query={budget} what="the budget">
                        {(b) => (
                            <>
                                <p class="big"><Money value={b.spent} /> <span class="muted">of <Money value={b.amount} /> this {b.period}</span> <StateBadge state={b.state} /></p>
                                <meter min={0} max={b.amount || 1} high={b.amount * b.warn_at} value={b.spent} aria-label={`${b.spent} of ${b.amount} spent`} />
                                <p class="muted">A new {b.period} begins <Time at={b.period_end} />.{b.webhook && <> <code>{b.webhook}</code> is told.</>}</p>
                                <div class="actions">
                                    <Button onClick={() => setEditing(true)}>Change budget</Button>
                                    <Button kind="danger" onClick={() => setRemoving(true)}>Delete budget</Button>
                                </div>
                            </>
                        )}
                    </Loaded>
                )}
            {removing && (
                <Confirm title="Delete the budget?" action="Delete budget" danger onClose={() => setRemoving(false)}
                    onConfirm={async () => {
                        await del(address);
                        setRemoving(false);
                        say('There is no budget any more.');
                        budget.reload();
                    }}>
                    <p>There is no limit any more to what {what} may cost.</p>
                </Confirm>
            )}
        </Card>
    );
}

function Form({ address, query, before, onClose }: {
    address: string;
    query: Query<Budget>;
    before: Budget | undefined;
    onClose: () => void;
}) {
    const [amount, setAmount] = useState(before ? String(before.amount) : '');
    const [period, setPeriod] = useState<string>(before?.period ?? 'month');
    const [warn, setWarn] = useState(String(Math.round((before?.warn_at ?? 0.8) * 100)));
    const [webhook, setWebhook] = useState(before?.webhook ?? '');
    const [busy, setBusy] = useState(false);
    const [tried, setTried] = useState(false);
    const [error, setError] = useState<Error>();
    // The API counts to 1, a person to 100: its words would not fit what was typed.
    const wrong = /^([1-9]\d?|100)$/.test(warn.trim()) ? undefined : 'A whole number from 1 to 100 is needed.';
    const fields = error instanceof ApiError ? error.fields : new Map<string, string>();
    const rest = error instanceof ApiError ? otherErrors(error.problem, FIELDS) : [];
    const submit = async (event: Event) => {
        event.preventDefault();
        setTried(true);
        if (wrong) return;
        setBusy(true);
        setError(undefined);
        try {
            query.set(await put<Budget>(address, {
                amount: amount.trim() === '' ? null : Number(amount), period, warn_at: Number(warn) / 100, webhook: webhook.trim() || null,
            }));
            say('The budget is saved.');
            onClose();
        } catch (e) {
            setError(e as Error);
            setBusy(false);
        }
    };

    return (
        <form class="stack" onSubmit={submit} noValidate>
            <div class="fields two">
                <TextField label="Amount" type="number" min={0} step="any" value={amount} onInput={setAmount} required error={fields.get('amount')} autoFocus />
                <Select label="For each" value={period} onChange={setPeriod} error={fields.get('period')}
                    choices={[{ value: 'day', label: 'day' }, { value: 'month', label: 'month' }]} />
                <TextField label="Warn at" type="number" min={1} max={100} value={warn} onInput={setWarn} unit="%" error={(tried && wrong) || fields.get('warn_at')} />
            </div>
            <TextField label="Webhook" type="url" value={webhook} onInput={setWebhook} optional error={fields.get('webhook')}
                placeholder="https://example.com/spent" help="Is told at the warning, and when all is spent." />
            {error && !(error instanceof ApiError) && <Failure error={error} />}
            {rest.length > 0 && <Notice tone="bad" role="alert"><p>{rest.join(' ')}</p></Notice>}
            <div class="actions">
                <Button kind="primary" type="submit" busy={busy}>Save budget</Button>
                <Button kind="quiet" onClick={onClose}>Cancel</Button>
            </div>
        </form>
    );
}
