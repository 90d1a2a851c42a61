// SPDX-License-Identifier: Apache-2.0
// Create a new deployment: model, version, name, hardware, bounds, and what that costs.
import { useEffect, useState } from 'preact/hooks';
import { post } from '../api';
import { nameOk, nameRules } from '../format/name';
import { countProblem } from '../format/number';
import { CostIndicator } from '../parts/cost';
import { HardwareSelect, useCapacity } from '../parts/hardware';
import { ModelPicker } from '../parts/modelpicker';
import { useVersions, VersionSelect } from '../parts/version';
import { ApiError, otherErrors } from '../problem';
import { navigate, path, useLocation } from '../router';
import { account } from '../session';
import { useStore } from '../store';
import type { Deployment } from '../types';
import { Button } from '../ui/button';
import { TextField } from '../ui/field';
import { Page } from '../ui/page';
import { Failure, Notice } from '../ui/states';
import { say } from '../ui/toast';

const FIELDS = ['model', 'version', 'name', 'hardware', 'min_instances', 'max_instances'] as const;

export function CreatePage() {
    const { query } = useLocation();
    const owner = useStore(account);
    const [model, setModel] = useState(query.get('model') ?? '');
    const [version, setVersion] = useState(query.get('version') ?? '');
    const [name, setName] = useState('');
    const [hardware, setHardware] = useState(query.get('hardware') ?? '');
    const [min, setMin] = useState('0');
    const [max, setMax] = useState('1');
    const [tried, setTried] = useState(false);
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const versions = useVersions(model);
    const capacity = useCapacity();

    // A model is chosen with its latest version, and the first hardware that has room is offered.
    useEffect(() => {
        const latest = versions.all?.[0];
        if (!version && latest) setVersion(latest.id);
    }, [versions.first.data, version]);
    useEffect(() => {
        const all = capacity.data?.hardware ?? [];
        if (!hardware && all.length > 0) setHardware((all.find((h) => h.available > 0) ?? all[0]!).sku);
    }, [capacity.data, hardware]);

    const chooseModel = (ref: string) => {
        if (ref === model) return;
        setModel(ref);
        setVersion('');
    };
    const fields = new Map(error instanceof ApiError ? error.fields : []);
    const rest = error instanceof ApiError ? otherErrors(error.problem, FIELDS) : [];
    // What is no number never reaches the server, which could only say that there is none.
    for (const [field, text] of [['min_instances', min], ['max_instances', max]] as const) {
        const wrong = tried ? countProblem(text) : undefined;
        if (wrong) fields.set(field, wrong);
    }
    const submit = async (event: Event) => {
        event.preventDefault();
        setTried(true);
        if (countProblem(min) || countProblem(max)) return;
        setBusy(true);
        setError(undefined);
        try {
            const made = await post<Deployment>('/v1/deployments', {
                name, model, version, hardware, min_instances: number(min), max_instances: number(max),
            });
            say(`${made.owner}/${made.name} is created.`);
            navigate(path`/deployments/${made.owner}/${made.name}`);
        } catch (e) {
            setError(e as Error);
            setBusy(false);
        }
    };

    return (
        <Page title="Create a new deployment" crumbs={[{ label: 'Deployments', href: '/deployments' }]}
            note="A model, hardware that it runs on, and how many instances of it: with an address of its own.">
            <form class="columns" onSubmit={submit} noValidate>
                <div class="card">
                    <ModelPicker value={model} onChange={chooseModel} error={fields.get('model')} />
                    <VersionSelect model={model} versions={versions} value={version} onChange={setVersion} error={fields.get('version')} />
                    <TextField label="Name" value={name} onInput={setName} error={fields.get('name')} required mono
                        placeholder="my-app-image-generator" help={<NameHelp owner={owner ?? ''} name={name} />} />
                    <HardwareSelect value={hardware} onChange={setHardware} error={fields.get('hardware')} />
                    <div class="fields two">
                        <TextField label="Minimum instances" type="number" min={0} value={min} onInput={setMin} required
                            error={fields.get('min_instances')} help="Kept running without requests. With 0, the first request waits for a start." />
                        <TextField label="Maximum instances" type="number" min={0} value={max} onInput={setMax} required
                            error={fields.get('max_instances')} help="As many run at most; further requests wait in the queue." />
                    </div>
                    {error && !(error instanceof ApiError) && <Failure error={error} />}
                    {rest.length > 0 && <Notice tone="bad" role="alert"><p>{rest.join(' ')}</p></Notice>}
                    <div class="actions">
                        <Button kind="primary" type="submit" busy={busy}>Create deployment</Button>
                        <Button kind="quiet" href="/deployments">Cancel</Button>
                    </div>
                </div>
                <CostIndicator hardware={hardware} min={number(min) ?? -1} max={number(max) ?? -1} />
            </form>
        </Page>
    );
}

// What was typed as a number, where it is one.
function number(text: string): number | undefined {
    return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

function NameHelp({ owner, name }: { owner: string; name: string }) {
    if (name && nameOk(name)) return <>Its address will be <code>{owner}/{name}</code>. The name cannot be changed later.</>;
    return (
        <ul class="rules">
            {nameRules(name).map((r) => (
                <li key={r.text} class={name === '' ? '' : r.ok ? 'ok' : 'not'}>{r.text}</li>
            ))}
        </ul>
    );
}
