// SPDX-License-Identifier: Apache-2.0
// One model: what it is, its versions, what it made of examples, how to push to it.
import { useState } from 'preact/hooks';
import { patch, type Page as Results } from '../api';
import { readOutput, type JsonObject } from '../form/schema';
import { safeLink } from '../format/markdown';
import { plural } from '../format/number';
import { Output } from '../output/view';
import { Markdown } from '../parts/markdown';
import { PushInstructions } from '../parts/push';
import { ApiError } from '../problem';
import { Loaded, useQuery } from '../query';
import { path, withQuery } from '../router';
import { holdsAccount } from '../session';
import type { Model, Prediction, Version } from '../types';
import { Button } from '../ui/button';
import { Json } from '../ui/code';
import { TextArea } from '../ui/field';
import { Card, Page } from '../ui/page';
import { Empty, Loading } from '../ui/states';
import { Pager, Table } from '../ui/table';
import { Badge, Time, VersionId } from '../ui/text';
import { NotFoundPage } from './notfound';

export function deployAddress(model: string, version?: string): string {
    return withQuery('/deployments/create', { model, version });
}

export function ModelPage({ owner, name }: { owner: string; name: string }) {
    const model = useQuery<Model>(path`/v1/models/${owner}/${name}`, { live: 'build', about: (e) => e.data.model === `${owner}/${name}` });
    const ref = `${owner}/${name}`;
    const known = model.data;

    if (model.error instanceof ApiError && model.error.status === 404) return <NotFoundPage what={`The model ${ref}`} />;
    return (
        <Page title={ref} crumbs={[{ label: 'Models', href: '/models' }]}
            heading={<>{ref} {known?.visibility === 'private' && <Badge>private</Badge>}</>}
            note={known?.description}
            actions={known?.latest_version && <Button kind="primary" href={deployAddress(ref, known.latest_version.id)}>Deploy</Button>}>
            <Loaded query={model} what="the model">
                {(m) => (
                    <div class="columns">
                        <div class="stack">
                            {!m.latest_version && (
                                <Empty title="No version yet">
                                    <p>{holdsAccount(owner) ? 'Push the first one to run or deploy this model.' : 'Its owner has pushed nothing yet.'}</p>
                                </Empty>
                            )}
                            <Readme owner={owner} name={name} />
                            {m.latest_version && <Examples owner={owner} name={name} schema={readOutput(m.latest_version.openapi_schema)} />}
                            <Versions owner={owner} name={name} />
                        </div>
                        <aside class="stack" aria-label="About the model">
                            <About of={m} />
                            {holdsAccount(owner) && <Card title="Push a version"><PushInstructions model={ref} /></Card>}
                        </aside>
                    </div>
                )}
            </Loaded>
        </Page>
    );
}

function About({ of: m }: { of: Model }) {
    const links = [['Code', m.github_url], ['Paper', m.paper_url], ['License', m.license_url]] as const;

    return (
        <Card title="About">
            <dl class="facts">
                <dt>Owner</dt><dd>{m.owner}</dd>
                <dt>Visibility</dt><dd>{m.visibility === 'public' ? 'public: every account can run it' : `private: only ${m.owner} can run it`}</dd>
                <dt>Runs</dt><dd>{plural(m.run_count, 'run')}</dd>
                <dt>Created</dt><dd><Time at={m.created_at} /></dd>
                {m.latest_version && <><dt>Latest version</dt><dd><VersionId id={m.latest_version.id} href={path`/${m.owner}/${m.name}/versions/${m.latest_version.id}`} /></dd></>}
                {links.map(([label, href]) => safeLink(href ?? undefined) && (
                    <><dt>{label}</dt><dd><a href={href!} rel="noreferrer" target="_blank">{href!.replace(/^https?:\/\//, '')}</a></dd></>
                ))}
            </dl>
        </Card>
    );
}

function Readme({ owner, name }: { owner: string; name: string }) {
    const readme = useQuery<string>(path`/v1/models/${owner}/${name}/readme`, { text: true });
    const [editing, setEditing] = useState(false);
    const none = readme.error instanceof ApiError && readme.error.status === 404;
    const edit = holdsAccount(owner) && (none || readme.data !== undefined) && !editing &&
        <Button small onClick={() => setEditing(true)}>{none ? 'Write a readme' : 'Edit readme'}</Button>;
    const save = async (text: string) => {
        await patch<Model>(path`/v1/models/${owner}/${name}`, { readme: text || null }, { account: owner });
        setEditing(false);
        readme.reload();
    };

    return (
        <Card title="Readme" actions={edit || undefined}>
            {editing ? <ReadmeForm text={none ? '' : (readme.data ?? '')} onSave={save} onClose={() => setEditing(false)} />
                : none ? <p class="muted">This model has no readme.</p>
                : <Loaded query={readme} what="the readme">{(text) => <Markdown text={text} />}</Loaded>}
        </Card>
    );
}

function ReadmeForm({ text, onSave, onClose }: { text: string; onSave: (text: string) => Promise<void>; onClose: () => void }) {
    const [value, setValue] = useState(text);
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const submit = async (event: Event) => {
        event.preventDefault();
        setBusy(true);
        try {
            await onSave(value);
        } catch (e) {
            setError(e as Error);
            setBusy(false);
        }
    };

    return (
        <form class="stack" onSubmit={submit}>
            <TextArea label="Readme, in Markdown" rows={14} mono value={value} onInput={setValue} error={error?.message}
                help="What the model does, what it takes, what it was made for. An empty one takes it away." />
            <div class="actions">
                <Button kind="primary" type="submit" busy={busy}>Save readme</Button>
                <Button kind="quiet" onClick={onClose}>Cancel</Button>
            </div>
        </form>
    );
}

function Versions({ owner, name }: { owner: string; name: string }) {
    const first = path`/v1/models/${owner}/${name}/versions`;
    const [address, setAddress] = useState(first);
    const versions = useQuery<Results<Version>>(address, { live: 'build', about: (e) => e.data.model === `${owner}/${name}` });

    return (
        <Card title="Versions">
            <Loaded query={versions} what="the versions">
                {({ results, next, previous }) => results.length === 0 ? <p class="muted">None yet.</p> : (
                    <>
                        <Table caption="Versions, latest first" rows={results} keyOf={(v) => v.id} columns={[
                            {
                                title: 'Version', head: true, cell: (v) => (
                                    <>
                                        <VersionId id={v.id} href={path`/${owner}/${name}/versions/${v.id}`} />{' '}
                                        {address === first && v === results[0] && <Badge tone="good">latest</Badge>}
                                    </>
                                ),
                            },
                            { title: 'Pushed', cell: (v) => <Time at={v.created_at} /> },
                            { title: 'Cog', cell: (v) => v.cog_version || '–' },
                            { title: 'Deploy this version', hideTitle: true, align: 'right', cell: (v) => <Button small href={deployAddress(`${owner}/${name}`, v.id)} label={`Deploy version ${v.id.slice(0, 8)}`}>Deploy</Button> },
                        ]} />
                        <Pager previous={previous} next={next} onGo={setAddress} />
                    </>
                )}
            </Loaded>
        </Card>
    );
}

function Examples({ owner, name, schema }: { owner: string; name: string; schema: JsonObject }) {
    const examples = useQuery<Results<Prediction>>(path`/v1/models/${owner}/${name}/examples`);

    if (examples.data && examples.data.results.length === 0) return null;
    if (!examples.data && !examples.error) return <Card title="Examples"><Loading what="the examples" /></Card>;
    return (
        <Card title="Examples">
            <Loaded query={examples} what="the examples">
                {({ results }) => results.map((p) => (
                    <article key={p.id} class="example">
                        <div><h3>Input</h3><Json value={p.input} /></div>
                        <div><h3>Output</h3><Output value={p.output} schema={schema} /></div>
                        <a href={path`/p/${p.id}`}>View prediction</a>
                    </article>
                ))}
            </Loaded>
        </Card>
    );
}
