// SPDX-License-Identifier: Apache-2.0
// One prediction: what went in, what came out, what it said, how long each part took, what it cost,
// and what was told to its webhook.
import { useState } from 'preact/hooks';
import { post, type Page as ListPage } from '../api';
import { versionAddress } from '../deployment/address';
import { readOutput, type Json, type JsonObject } from '../form/schema';
import { hasEnded, usePrediction } from '../output/live';
import { RunLogs, RunOutput, TimingBar, Waiting } from '../output/run_view';
import { Output } from '../output/view';
import { useQuery } from '../query';
import { path, withQuery } from '../router';
import { account } from '../session';
import { useStore } from '../store';
import type { Prediction, Version } from '../types';
import { Button } from '../ui/button';
import { Json as JsonTree } from '../ui/code';
import { Card, Page } from '../ui/page';
import { Failure, Loading } from '../ui/states';
import { Table } from '../ui/table';
import { Duration, Money, StateBadge, Time, VersionId } from '../ui/text';
import { say } from '../ui/toast';

interface Message {
    n: number;
    id: string;
    event: string;
    url: string;
    status: 'pending' | 'delivered' | 'failed';
    created_at: string;
    next_attempt_at: string | null;
    attempts: { number: number; at: string; seconds: number; response_status: number | null; error: string | null }[];
}

function lastAttempt(m: Message): string {
    const last = m.attempts[m.attempts.length - 1];
    if (!last) return 'not tried yet';
    const how = last.response_status ? `answered ${last.response_status}` : (last.error ?? 'failed');
    return m.attempts.length > 1 ? `${how}, attempt ${last.number}` : how;
}

function Webhooks({ p }: { p: Prediction }) {
    const address = path`/v1/predictions/${p.id}/webhooks`;
    const list = useQuery<ListPage<Message>>(address, { live: ['prediction'], about: (e) => e.data.id === p.id });
    const [busy, setBusy] = useState(0);
    const [error, setError] = useState<Error>();
    const resend = async (m: Message) => {
        setBusy(m.n);
        setError(undefined);
        try {
            await post(`${address}/${m.n}/resend`);
            say('It is sent again.');
            list.reload();
        } catch (e) {
            setError(e as Error);
        }
        setBusy(0);
    };

    return (
        <Card title="Webhook" actions={<Button small kind="quiet" onClick={list.reload}>Refresh</Button>}>
            <p class="muted breaks">Told to <code>{p.webhook}</code></p>
            {error && <Failure error={error} />}
            {!list.data && (list.error ? <Failure error={list.error} what="the messages" retry={list.reload} /> : <Loading what="the messages" />)}
            {list.data && list.data.results.length === 0 && <p class="faint">Nothing has been sent yet.</p>}
            {list.data && list.data.results.length > 0 && (
                <Table caption="Messages to the webhook" rows={list.data.results} keyOf={(m) => m.n}
                    columns={[
                        { title: 'Event', head: true, cell: (m) => m.event },
                        { title: 'State', cell: (m) => <StateBadge state={m.status} /> },
                        { title: 'Last attempt', wide: true, cell: (m) => <span class="breaks">{lastAttempt(m)}{m.next_attempt_at && <>, again <Time at={m.next_attempt_at} /></>}</span> },
                        { title: 'Created', align: 'right', cell: (m) => <Time at={m.created_at} /> },
                        {
                            title: 'Actions', hideTitle: true, align: 'right',
                            cell: (m) => m.event === 'completed' && <Button small busy={busy === m.n} onClick={() => resend(m)}>Send again</Button>,
                        },
                    ]} />
            )}
        </Card>
    );
}

function Facts({ p, deployment }: { p: Prediction; deployment: string | null }) {
    const own = Object.entries(p.metrics).filter(([k]) => k !== 'predict_time' && k !== 'total_time');
    return (
        <Card title="Facts">
            <dl class="facts">
                {deployment && <><dt>Deployment</dt><dd><a href={`/deployments/${deployment}`}>{deployment}</a></dd></>}
                <dt>Model</dt><dd><a href={`/${p.model}`}>{p.model}</a></dd>
                <dt>Version</dt><dd><VersionId id={p.version} href={`/${p.model}/versions/${p.version}`} /></dd>
                <dt>Source</dt><dd>{p.source}</dd>
                <dt>Created</dt><dd><Time at={p.created_at} /></dd>
                {p.started_at && <><dt>Started</dt><dd><Time at={p.started_at} /></dd></>}
                {p.completed_at && <><dt>Ended</dt><dd><Time at={p.completed_at} /></dd></>}
                {p.deadline && <><dt>Deadline</dt><dd><Time at={p.deadline} /></dd></>}
                {hasEnded(p) && <><dt>Ran for</dt><dd><Duration seconds={p.metrics.predict_time} /></dd></>}
                {hasEnded(p) && <><dt>Cost</dt><dd><Money value={p.cost} /></dd></>}
                {own.map(([k, v]) => <><dt>{k.replaceAll('_', ' ')}</dt><dd>{typeof v === 'object' ? JSON.stringify(v) : String(v)}</dd></>)}
            </dl>
        </Card>
    );
}

function InputValue({ value }: { value: Json }) {
    if (typeof value !== 'string') return <JsonTree value={value} />;
    return value.startsWith('data:') ? <Output value={value} /> : <p class="input-text">{value}</p>;
}

function Input({ input }: { input: JsonObject }) {
    const entries = Object.entries(input);
    if (entries.length === 0) return <p class="faint">It was given no input.</p>;
    return (
        <dl class="inputs">
            {entries.map(([name, value]) => (
                <div key={name}>
                    <dt><code>{name}</code></dt>
                    <dd><InputValue value={value} /></dd>
                </div>
            ))}
        </dl>
    );
}

function Whole({ p, pieces, set }: { p: Prediction; pieces: string[] | undefined; set: (p: Prediction) => void }) {
    const [owner = '', model = ''] = p.model.split('/');
    const version = useQuery<Version>(owner && model ? versionAddress(p.model, p.version) : null);
    const me = useStore(account);
    const deployment = p.deployment && me ? `${me}/${p.deployment}` : null;
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const schema = version.data ? readOutput(version.data.openapi_schema) : {};
    const cancel = async () => {
        setBusy(true);
        setError(undefined);
        try {
            set(await post<Prediction>(path`/v1/predictions/${p.id}/cancel`));
        } catch (e) {
            setError(e as Error);
        }
        setBusy(false);
    };

    return (
        <Page title={`Prediction ${p.id}`} heading={<>Prediction <code class="breaks">{p.id}</code></>}
            crumbs={deployment ? [{ label: 'Deployments', href: '/deployments' }, { label: deployment, href: `/deployments/${deployment}` }] : []}
            note={<span aria-live="polite"><StateBadge state={p.status} /></span>}
            actions={
                <>
                    {!hasEnded(p) && <Button busy={busy} onClick={cancel}>Cancel</Button>}
                    {deployment && p.input && <Button href={withQuery(`/deployments/${deployment}`, { from: p.id })}>Run again with changes</Button>}
                </>
            }>
            {error && <Failure error={error} />}
            <Waiting p={p} />
            <div class="columns">
                <div class="stack">
                    <Card title="Output"><RunOutput p={p} pieces={pieces} schema={schema} /></Card>
                    <Card title="Time"><TimingBar p={p} deployment={deployment} /></Card>
                    {!p.data_removed && <Card title="Logs"><RunLogs p={p} /></Card>}
                    {p.webhook && <Webhooks p={p} />}
                </div>
                <div class="stack">
                    {p.input && <Card title="Input"><Input input={p.input as JsonObject} /></Card>}
                    <Facts p={p} deployment={deployment} />
                </div>
            </div>
        </Page>
    );
}

export default function PredictionPage({ id }: { id: string }) {
    const run = usePrediction(id);

    if (run.data) return <Whole p={run.data} pieces={run.pieces} set={run.set} />;
    return (
        <Page title={`Prediction ${id}`}>
            {run.error ? <Failure error={run.error} what="the prediction" retry={run.reload} /> : <Loading what="the prediction" />}
        </Page>
    );
}
