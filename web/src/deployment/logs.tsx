// SPDX-License-Identifier: Apache-2.0
// The instances of a deployment, those that run and the last that ended, and what each said.
import { LogView } from '../output/log_view';
import { Loaded, useQuery } from '../query';
import { navigate, path, useLocation, withQuery } from '../router';
import { Card } from '../ui/page';
import { Empty, Notice } from '../ui/states';
import { Duration, StateBadge, Time, VersionId } from '../ui/text';
import type { TabProps } from './page';
import type { Instance, Instances } from './types';

const GATHER = 500; // ms: many lines that come at once are one look at the log

export function isBooting(i: Instance): boolean {
    return i.state === 'setting up';
}

export function InstanceLog({ address, instance }: { address: string; instance: Instance }) {
    const log = useQuery<string>(`${address}${path`/instances/${instance.id}/log`}`, {
        text: true,
        live: ['instance', 'log'],
        about: (e) => e.data.id === instance.id,
        gather: GATHER,
    });
    const booting = isBooting(instance);

    return (
        <Loaded query={log} what="the log">
            {(text) => <LogView text={text} label={`Setup log of ${instance.id}`}
                empty={booting ? 'It has said nothing yet.' : 'It said nothing while it got ready.'} />}
        </Loaded>
    );
}

function About({ i }: { i: Instance }) {
    const from = Date.parse(i.created_at);
    return (
        <dl class="facts">
            <dt>State</dt>
            <dd><StateBadge state={i.state} />{i.predictions ? ` runs ${i.predictions}` : ''}</dd>
            <dt>Version</dt><dd><VersionId id={i.version} /></dd>
            <dt>Hardware</dt><dd>{i.hardware}</dd>
            <dt>Started</dt><dd><Time at={i.created_at} /></dd>
            <dt>Ready</dt>
            <dd>{i.ready_at ? <>after <Duration seconds={(Date.parse(i.ready_at) - from) / 1000} /></> : <span class="faint">{i.state === 'ended' ? 'never' : 'not yet'}</span>}</dd>
            {i.ended_at && <><dt>Ended</dt><dd><Time at={i.ended_at} /></dd></>}
            {i.end_reason && <><dt>Why</dt><dd>{i.end_reason}</dd></>}
        </dl>
    );
}

export function LogsTab({ deployment: d, address }: TabProps) {
    const full = `${d.owner}/${d.name}`;
    const { query } = useLocation();
    const here = `${path`/deployments/${d.owner}/${d.name}`}/logs`;
    const list = useQuery<Instances>(`${address}/instances`, {
        live: ['instance', 'deployment'],
        about: (e) => e.data.deployment === full || (e.data.owner === d.owner && e.data.name === d.name),
    });

    return (
        <Loaded query={list} what="the instances">
            {(data) => {
                const all = [...data.results, ...data.ended];
                const chosen = all.find((i) => i.id === query.get('instance')) ?? all[0];
                return (
                    <div class="stack">
                        {data.waits_for && <Notice tone="warn"><p><strong>Waits.</strong> {data.waits_for}</p></Notice>}
                        {!chosen ? (
                            <Empty title="Nothing has run yet">
                                <p>An instance boots when a prediction comes, or at once where the minimum is 1 or more. What it says while it gets ready is shown here.</p>
                            </Empty>
                        ) : (
                            <div class="logs">
                                <nav class="instances" aria-label="Instances">
                                    {all.map((i) => (
                                        <a key={i.id} href={withQuery(here, { instance: i.id })} aria-current={i.id === chosen.id ? 'true' : undefined}
                                            onClick={(e) => { e.preventDefault(); navigate(withQuery(here, { instance: i.id }), { replace: true }); }}>
                                            <code>{i.id.slice(-8)}</code><StateBadge state={i.state} />
                                            <span class="faint"><Time at={i.ended_at ?? i.created_at} /></span>
                                        </a>
                                    ))}
                                </nav>
                                <Card title={<>Instance <code>{chosen.id}</code></>}>
                                    <About i={chosen} />
                                    <InstanceLog key={chosen.id} address={address} instance={chosen} />
                                    <p class="help">
                                        What the model says while it runs a prediction is in that <a href={here.replace(/logs$/, 'predictions')}>prediction’s</a> own logs.
                                    </p>
                                </Card>
                            </div>
                        )}
                    </div>
                );
            }}
        </Loaded>
    );
}
