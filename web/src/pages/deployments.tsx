// SPDX-License-Identifier: Apache-2.0
// All deployments of the account, in one request; events change their rows in place.
import { useState } from 'preact/hooks';
import type { Page as Results } from '../api';
import { countText, plural } from '../format/number';
import { durationText, withTimes } from '../format/time';
import { useLive } from '../live';
import { Loaded, useQuery } from '../query';
import { path } from '../router';
import { account } from '../session';
import { useStore } from '../store';
import type { DeploymentState, Overview } from '../types';
import { Button } from '../ui/button';
import { Code } from '../ui/code';
import { TextField } from '../ui/field';
import { Page } from '../ui/page';
import { Sparkline } from '../ui/sparkline';
import { Empty } from '../ui/states';
import { Pager, Table, type Column } from '../ui/table';
import { Money, StateBadge, VersionId } from '../ui/text';

const LIST = '/v1/deployments/overview';
const MANY = 8; // more of them than this can be searched

export function DeploymentsPage() {
    const [address, setAddress] = useState(LIST);
    const [words, setWords] = useState('');
    const owner = useStore(account);
    const list = useQuery<Results<Overview>>(address, { live: ['release', 'prediction', 'predictions'], gather: 3000 });

    useLive('deployment', ({ data }) => {
        const is = (d: Overview) => d.owner === data.owner && d.name === data.name;
        if (data.state === 'deleted' || !list.data?.results.some(is)) list.soon();
        else list.update((page) => ({ ...page, results: page.results.map((d) => (is(d) ? merge(d, data) : d)) }));
    });
    const create = <Button kind="primary" href="/deployments/create">Create a new deployment</Button>;

    return (
        <Page title="Deployments" actions={list.data?.results.length ? create : undefined}
            note={list.data && list.data.results.length > 0 ? <Summary of={list.data.results} /> : undefined}>
            <Loaded query={list} what="the deployments">
                {({ results, next, previous }) => {
                    if (results.length === 0 && !previous) return <Teach owner={owner ?? 'you'} create={create} />;
                    const shown = results.filter((d) => fits(d, words));
                    return (
                        <div class="stack">
                            {results.length > MANY && (
                                <div class="search"><TextField label="Find a deployment" type="search" value={words} onInput={setWords} placeholder="Name, model, hardware or state" /></div>
                            )}
                            {shown.length > 0
                                ? <Table caption="Deployments" columns={COLUMNS} rows={shown} keyOf={(d) => `${d.owner}/${d.name}`} />
                                : <Empty title="No deployments found"><p>None of {plural(results.length, 'deployment')} has “{words}” in its name, model, hardware or state.</p></Empty>}
                            <Pager previous={previous} next={next} onGo={setAddress} />
                        </div>
                    );
                }}
            </Loaded>
        </Page>
    );
}

function merge(d: Overview, data: Readonly<Record<string, unknown>>): Overview {
    return {
        ...d,
        state: data.state as DeploymentState,
        instances: data.instances as Overview['instances'],
        queue: data.queue as number,
        waits_for: data.waits_for as string | null,
    };
}

function fits(d: Overview, words: string): boolean {
    const text = `${d.owner}/${d.name} ${d.model} ${d.hardware} ${d.state}`.toLowerCase();
    return words.toLowerCase().split(/\s+/).every((w) => text.includes(w));
}

const COLUMNS: readonly Column<Overview>[] = [
    {
        title: 'Name', head: true, wide: true,
        cell: (d) => (
            <>
                <a class="row-name" href={path`/deployments/${d.owner}/${d.name}`}>{d.name}</a>
                <div class="sub">
                    <a href={`/${d.model}`}>{d.model}</a> <VersionId id={d.version} href={path`/${d.model.split('/')[0]!}/${d.model.split('/')[1]!}/versions/${d.version}`} />
                </div>
            </>
        ),
    },
    { title: 'State', cell: (d) => <State of={d} /> },
    { title: 'Hardware', cell: (d) => <code class="id">{d.hardware}</code> },
    { title: 'Instances', cell: (d) => <Instances of={d} /> },
    {
        title: 'Requests (1 h)',
        cell: (d) => d.hour.total === 0 ? <span class="faint">none</span> : (
            <div>
                <Sparkline values={d.hour.requests} bars label={`${plural(d.hour.total, 'request')} in the last hour, ${d.hour.failed} failed`} />
                <span class="sub number">{countText(d.hour.total)}{d.hour.failed > 0 && <span class="bad-text"> · {countText(d.hour.failed)} failed</span>}</span>
            </div>
        ),
    },
    {
        title: 'p95 wait',
        cell: (d) => d.hour.p95 === null ? <span class="faint">–</span> : (
            <div>
                <Sparkline values={d.hour.wait_p95} label={`p95 wait in the last hour: ${durationText(d.hour.p95)}`} />
                <span class="sub number">{durationText(d.hour.p95)}</span>
            </div>
        ),
    },
    { title: 'Cost today', align: 'right', cell: (d) => <Money value={d.cost_today} /> },
];

function State({ of: d }: { of: Overview }) {
    const told = d.failure ?? d.held ?? d.waits_for;
    const why = told && withTimes(told);

    return (
        <div>
            <StateBadge state={d.state} title={why ?? undefined!} />
            {why && <div class="sub why" title={why}>{why}</div>}
        </div>
    );
}

function Instances({ of: d }: { of: Overview }) {
    const { setup, active, idle, draining } = d.instances;
    const now = setup + active + idle + draining;

    return (
        <div title={`${setup} setting up, ${active} active, ${idle} idle, ${draining} draining`}>
            <span class="number"><strong>{now}</strong> <span class="faint">of {d.min_instances}–{d.max_instances}</span></span>
            {d.queue > 0 && <div class="sub">{countText(d.queue)} waiting</div>}
        </div>
    );
}

function Summary({ of: all }: { of: Overview[] }) {
    const sum = (f: (d: Overview) => number) => all.reduce((n, d) => n + f(d), 0);
    const running = sum((d) => d.instances.setup + d.instances.active + d.instances.idle + d.instances.draining);

    return <>{plural(all.length, 'deployment')}, {plural(running, 'instance')} now, <Money value={sum((d) => d.cost_today)} /> today</>;
}

function Teach({ owner, create }: { owner: string; create: preact.ComponentChildren }) {
    return (
        <Empty title="No deployments yet" action={<>{create}<Button href="/models">Browse models</Button></>}>
            <p>
                A deployment runs one version of a model on hardware of your choice, with an address of its own. It starts
                instances when requests come and stops them when there is nothing to do.
            </p>
            <p>No model here yet? Push a folder that has a <code>cog.yaml</code>:</p>
            <Code label="Push a model" text={`berth push examples/hello ${owner}/hello`} />
        </Empty>
    );
}
