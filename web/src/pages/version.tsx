// SPDX-License-Identifier: Apache-2.0
// One version: what it takes and gives, and the button that deploys it.
import { readInput, readOutput, type Field } from '../form/schema';
import { ApiError } from '../problem';
import { Loaded, useQuery } from '../query';
import { path } from '../router';
import type { Model, Version } from '../types';
import { Button } from '../ui/button';
import { CopyButton, Json } from '../ui/code';
import { Card, Page } from '../ui/page';
import { Table } from '../ui/table';
import { Badge, Time } from '../ui/text';
import { deployAddress } from './model';
import { NotFoundPage } from './notfound';

export function VersionPage({ owner, name, id }: { owner: string; name: string; id: string }) {
    const ref = `${owner}/${name}`;
    const version = useQuery<Version>(path`/v1/models/${owner}/${name}/versions/${id}`);
    const model = useQuery<Model>(path`/v1/models/${owner}/${name}`, { live: 'build', about: (e) => e.data.model === ref });
    const isLatest = model.data?.latest_version?.id === id;

    if (version.error instanceof ApiError && version.error.status === 404) return <NotFoundPage what={`The version ${id.slice(0, 8)} of ${ref}`} />;
    return (
        <Page title={`${ref} ${id.slice(0, 8)}`} crumbs={[{ label: 'Models', href: '/models' }, { label: ref, href: path`/${owner}/${name}` }]}
            heading={<>Version <code>{id.slice(0, 8)}</code> {isLatest && <Badge tone="good">latest</Badge>}</>}
            actions={<Button kind="primary" href={deployAddress(ref, id)}>Deploy</Button>}>
            <Loaded query={version} what="the version">
                {(v) => (
                    <>
                        <Card>
                            <dl class="facts">
                                <dt>Id</dt><dd><code>{v.id}</code> <CopyButton text={v.id} what="the version’s id" /></dd>
                                <dt>Pushed</dt><dd><Time at={v.created_at} /></dd>
                                <dt>Cog</dt><dd>{v.cog_version || 'unknown'}</dd>
                            </dl>
                        </Card>
                        <Card title="Input"><Inputs of={readInput(v.openapi_schema)} /></Card>
                        <Card title="Output"><Json value={readOutput(v.openapi_schema)} /></Card>
                        <details class="card">
                            <summary>Full OpenAPI document</summary>
                            <Json value={v.openapi_schema} />
                        </details>
                    </>
                )}
            </Loaded>
        </Page>
    );
}

function Inputs({ of: fields }: { of: Field[] }) {
    if (fields.length === 0) return <p class="muted">This version takes no input.</p>;
    return (
        <Table caption="Inputs" rows={fields} keyOf={(f) => f.name} columns={[
            { title: 'Name', head: true, cell: (f) => <><code>{f.name}</code> {f.required && <span class="sub">required</span>}{f.deprecated && <span class="sub"> deprecated</span>}</> },
            { title: 'Type', cell: (f) => <TypeText of={f} /> },
            { title: 'Default', cell: (f) => (f.fallback === undefined ? <span class="faint">none</span> : <code>{JSON.stringify(f.fallback)}</code>) },
            { title: 'Description', wide: true, cell: (f) => f.help || <span class="faint">none</span> },
        ]} />
    );
}

function TypeText({ of: f }: { of: Field }) {
    const range = f.min !== undefined && f.max !== undefined ? `${f.min} to ${f.max}`
        : f.min !== undefined ? `at least ${f.min}` : f.max !== undefined ? `at most ${f.max}` : '';

    return (
        <div>
            {f.kind === 'list' && f.item ? `list of ${f.item.kind}` : f.kind}
            {range && <div class="sub">{range}</div>}
            {f.choices && <div class="sub">{f.choices.map((c) => JSON.stringify(c)).join(', ')}</div>}
        </div>
    );
}
