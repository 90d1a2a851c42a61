// SPDX-License-Identifier: Apache-2.0
// Runs the deployment: a form made from its version's schema at the left, what comes at the right.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { post } from '../api';
import { InputForm } from '../form/form';
import { readInput, readOutput, type Field, type JsonObject } from '../form/schema';
import { entriesOf, problemsOf, readEntries, type Entries, type Entry } from '../form/value';
import { hasEnded, usePrediction } from '../output/live';
import { RunLogs, RunOutput, TimingBar, Waiting } from '../output/run_view';
import { Loaded } from '../query';
import { navigate, path, useLocation } from '../router';
import { ApiError } from '../problem';
import type { Prediction } from '../types';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Card } from '../ui/page';
import { Failure, Loading, Notice } from '../ui/states';
import { Money, StateBadge } from '../ui/text';
import type { TabProps } from './page';
import { Samples } from './sample_view';

function RunPanel({ id, deployment, schema, onAgain }: {
    id: string;
    deployment: string;
    schema: JsonObject;
    onAgain: (input: JsonObject) => void;
}) {
    const run = usePrediction(id);
    const [canceling, setCanceling] = useState(false);
    const [failed, setFailed] = useState<Error>();
    const p = run.data;
    const cancel = async () => {
        setCanceling(true);
        setFailed(undefined);
        try {
            run.set(await post<Prediction>(path`/v1/predictions/${id}/cancel`));
        } catch (e) {
            setFailed(e as Error);
        }
        setCanceling(false);
    };

    if (!p) return run.error ? <Failure error={run.error} what="the prediction" retry={run.reload} /> : <Loading what="the prediction" />;
    const ended = hasEnded(p);
    return (
        <div class="stack">
            <div class="run-head">
                <span aria-live="polite"><StateBadge state={p.status} /></span>
                <a href={path`/p/${p.id}`}>Open prediction</a>
                {ended && p.cost !== undefined && <span class="muted">cost <Money value={p.cost} /></span>}
                {!ended && <Button small busy={canceling} onClick={cancel}>Cancel</Button>}
            </div>
            {failed && <Failure error={failed} />}
            {run.error && <Failure error={run.error} what="how it goes on" retry={run.reload} />}
            <Waiting p={p} />
            <RunOutput p={p} pieces={run.pieces} schema={schema} />
            <TimingBar p={p} deployment={deployment} />
            <RunLogs p={p} />
            {ended && p.input && (
                <div class="actions">
                    <Button onClick={() => onAgain(p.input as JsonObject)}>Use this input again</Button>
                </div>
            )}
        </div>
    );
}

// What the form opens with: the input of a prediction that the address names, or the defaults.
function useStart(fields: Field[], from: string | null): [Entries, (next: Entries | ((now: Entries) => Entries)) => void, Error | undefined] {
    const [entries, setEntries] = useState<Entries>(() => entriesOf(fields));
    const before = usePrediction(from);
    useEffect(() => {
        const input = before.data?.input;
        if (input) setEntries(entriesOf(fields, input as JsonObject));
    }, [before.data?.id]);
    return [entries, setEntries, before.error];
}

function Form({ deployment: d, fields, schema, streams, address }: {
    deployment: TabProps['deployment'];
    fields: Field[];
    schema: JsonObject;
    streams: boolean;
    address: string;
}) {
    const { query } = useLocation();
    // Of the address that the page was opened with: what is run later came from the form itself.
    const [from] = useState(() => query.get('from') ?? query.get('prediction'));
    const [entries, setEntries, startError] = useStart(fields, from);
    const [problems, setProblems] = useState<{ [name: string]: string }>({});
    const [error, setError] = useState<Error>();
    const [uploads, setUploads] = useState(0);
    const [refused, setRefused] = useState(0); // how often: each time the first wrong field is looked for
    const [busy, setBusy] = useState(false);
    const [sharing, setSharing] = useState(false);
    const id = query.get('prediction');
    const here = path`/deployments/${d.owner}/${d.name}`;
    const disabled = d.current_release.configuration.max_instances === 0;

    const run = async () => {
        if (busy || uploads > 0 || disabled) return;
        const read = readEntries(fields, entries);
        setProblems(read.problems);
        setError(undefined);
        if (Object.keys(read.problems).length > 0) {
            setRefused(refused + 1);
            return;
        }
        setBusy(true);
        try {
            const p = await post<Prediction>(`${address}/predictions`, { input: read.input });
            // In the address, so that a reload or a link shows the same run.
            navigate(`${here}?prediction=${encodeURIComponent(p.id)}`, { replace: true });
        } catch (e) {
            const fieldsOf = e instanceof ApiError ? problemsOf(e.problem.invalid_fields) : {};
            setProblems(fieldsOf);
            if (Object.keys(fieldsOf).length === 0) setError(e as Error);
            else setRefused(refused + 1);
        }
        setBusy(false);
    };
    const put = (name: string, entry: Entry) => {
        setEntries((now) => ({ ...now, [name]: entry }));
        // What was said of the field is not true of what is typed now.
        setProblems((now) => Object.fromEntries(Object.entries(now).filter(([k]) => k !== name && !k.startsWith(`${name}[`))));
    };
    const submit = (event: Event) => {
        event.preventDefault();
        void run();
    };
    const key = (event: KeyboardEvent) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void run();
    };
    useEffect(() => {
        // The first field that is wrong, for those who cannot see all of the form at once.
        if (refused > 0) document.querySelector<HTMLElement>('.input-form [aria-invalid]')?.focus();
    }, [refused]);

    return (
        <div class="playground">
            <Card title="Input" actions={<Button small kind="quiet" onClick={() => { setEntries(entriesOf(fields)); setProblems({}); }}>Reset</Button>}>
                {startError && <Failure error={startError} what="the input of that prediction" />}
                <form onSubmit={submit} onKeyDown={key} noValidate class="stack">
                    <InputForm fields={fields} entries={entries} problems={problems}
                        onEntry={put}
                        onUpload={(change) => setUploads((n) => n + change)} />
                    {Object.keys(problems).length > 0 &&
                        <Notice tone="bad" role="alert"><p>Some fields cannot be sent as they are; each says why.</p></Notice>}
                    {error && <Failure error={error} />}
                    <div class="actions run-actions">
                        <Button type="submit" kind="primary" busy={busy} disabled={uploads > 0 || disabled} title="Ctrl+Enter runs too">Run</Button>
                        <Button onClick={() => setSharing(true)}>Share as code</Button>
                    </div>
                </form>
            </Card>
            <Card title="Output">
                {id
                    ? <RunPanel key={id} id={id} deployment={`${d.owner}/${d.name}`} schema={schema} onAgain={(input) => { setEntries(entriesOf(fields, input)); setProblems({}); }} />
                    : <p class="faint">Fill in the form and run it: what comes is shown here as it comes.</p>}
            </Card>
            {sharing && (
                <Dialog title="This input as code" onClose={() => setSharing(false)}>
                    <Samples deployment={d} input={readEntries(fields, entries).input} streams={streams} />
                    <div class="actions end"><Button onClick={() => setSharing(false)}>Close</Button></div>
                </Dialog>
            )}
        </div>
    );
}

export function isStreaming(schema: JsonObject): boolean {
    return schema['x-cog-array-type'] === 'iterator';
}

export function Playground({ deployment, version, address }: TabProps) {
    return (
        <Loaded query={version} what="the version">
            {(v) => <Ready key={v.id} {...{ deployment, address }} document={v.openapi_schema} />}
        </Loaded>
    );
}

function Ready({ deployment, address, document }: Pick<TabProps, 'deployment' | 'address'> & { document: unknown }) {
    const fields = useMemo(() => readInput(document), [document]);
    const schema = useMemo(() => readOutput(document), [document]);
    return <Form {...{ deployment, address, fields, schema }} streams={isStreaming(schema)} />;
}
