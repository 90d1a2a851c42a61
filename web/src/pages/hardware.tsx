// SPDX-License-Identifier: Apache-2.0
// What the machine has, what of it is promised and to whom, and what it cannot do.
import { bytesText, plural } from '../format/number';
import { availableText, sizeText, useCapacity } from '../parts/hardware';
import { Loaded } from '../query';
import { path } from '../router';
import type { Capacity } from '../types';
import { Card, Page } from '../ui/page';
import { Empty, Notice } from '../ui/states';
import { Table } from '../ui/table';
import { Badge, Money } from '../ui/text';

export function HardwarePage() {
    const capacity = useCapacity();

    return (
        <Page title="Hardware" note="What deployments can ask for, and how much of this machine is left.">
            <Loaded query={capacity} what="the hardware">
                {(c) => (
                    <>
                        {c.disk.is_low && (
                            <Notice tone="bad" role="alert">
                                <p><strong>The disk is nearly full.</strong> {bytesText(c.disk.free_bytes)} are free. New predictions and pushes are refused until there is room.</p>
                            </Notice>
                        )}
                        <Machine of={c} />
                        <Skus of={c} />
                        <Pools of={c} />
                        <Apart of={c} />
                    </>
                )}
            </Loaded>
        </Page>
    );
}

function Machine({ of: c }: { of: Capacity }) {
    const m = c.machine;

    return (
        <Card title="This machine">
            <div class="gauges">
                <Gauge label="Processors" now={m.cpus_promised} all={m.cpus * m.cpu_overcommit} text={`${m.cpus_promised} of ${m.cpus * m.cpu_overcommit} allocated`}
                    note={m.cpu_overcommit === 1 ? `${m.cpus} in all` : `${m.cpus} in all, ${m.cpu_overcommit}× overcommit`} />
                <Gauge label="Memory" now={m.memory_promised_bytes} all={m.memory_bytes * m.memory_overcommit}
                    text={`${bytesText(m.memory_promised_bytes)} of ${bytesText(m.memory_bytes * m.memory_overcommit)} allocated`}
                    note={m.memory_overcommit === 1 ? `${bytesText(m.memory_bytes)} in all` : `${bytesText(m.memory_bytes)} in all, ${m.memory_overcommit}× overcommit`} />
                <div class="gauge">
                    <h3>GPUs</h3>
                    <p>{m.gpus.length === 0 ? 'None in this machine' : plural(m.gpus.length, 'GPU')}</p>
                    {m.gpus.map((g) => <p key={g.index} class="sub">{g.name}, {bytesText(g.memory_bytes)}{g.taken ? ', taken' : ', free'}</p>)}
                </div>
                <div class="gauge">
                    <h3>Disk</h3>
                    <p>{bytesText(c.disk.free_bytes)} free</p>
                    <p class="sub">{bytesText(c.disk.reserve_bytes)} reserved for running work</p>
                </div>
            </div>
        </Card>
    );
}

function Gauge({ label, now, all, text, note }: { label: string; now: number; all: number; text: string; note: string }) {
    return (
        <div class="gauge">
            <h3>{label}</h3>
            <meter min={0} max={all || 1} high={all * 0.9} value={now} aria-label={`${label}: ${text}`}>{text}</meter>
            <p>{text}</p>
            <p class="sub">{note}</p>
        </div>
    );
}

function Skus({ of: c }: { of: Capacity }) {
    return (
        <Card title="Available hardware">
            {c.hardware?.length ? (
                <Table caption="Hardware" rows={c.hardware} keyOf={(h) => h.sku} columns={[
                    { title: 'Name', head: true, wide: true, cell: (h) => <>{h.name} <div class="sub"><code>{h.sku}</code></div></> },
                    { title: 'Size', wide: true, cell: (h) => <span class="muted">{sizeText(h)}</span> },
                    { title: 'Price / second', align: 'right', cell: (h) => <Money value={h.price} exact /> },
                    { title: 'Price / hour', align: 'right', cell: (h) => <Money value={h.price_per_hour} /> },
                    { title: 'Available now', cell: (h) => <Badge tone={h.available > 0 ? 'good' : 'none'}>{availableText(h)}</Badge> },
                ]} />
            ) : <p class="muted">The configuration names no hardware.</p>}
        </Card>
    );
}

function Pools({ of: c }: { of: Capacity }) {
    return (
        <Card title="Capacity in use">
            {c.pools.length === 0 ? <Empty title="Nothing runs"><p>No deployment holds or waits for a part of this machine.</p></Empty> : (
                <Table caption="Deployments that hold or wait for hardware" rows={c.pools} keyOf={(p) => `${p.owner}/${p.name} ${c.pools.indexOf(p)}`} columns={[
                    { title: 'Deployment', head: true, cell: (p) => (p.owner && p.name ? <a href={path`/deployments/${p.owner}/${p.name}`}>{p.owner}/{p.name}</a> : <span class="muted">another account’s</span>) },
                    { title: 'Hardware', cell: (p) => <code>{p.hardware}</code> },
                    { title: 'Instances', align: 'right', cell: (p) => p.instances },
                    { title: 'Waits for', wide: true, cell: (p) => p.waits_for ?? <span class="faint">nothing</span> },
                ]} />
            )}
        </Card>
    );
}

const ISOLATION: Record<string, string> = {
    own_user: 'Each instance runs as a user of its own',
    files_hidden: 'Instances do not see each other’s files',
    processes_hidden: 'Instances do not see each other’s processes',
    own_network: 'Each instance has a network of its own',
    memory_limited: 'Memory is limited',
    cpus_limited: 'Processors are limited',
};

function Apart({ of: c }: { of: Capacity }) {
    return (
        <Card title="Isolation">
            <ul class="ticks">
                {Object.entries(c.isolation).map(([key, on]) => (
                    <li key={key} class={on ? 'ok' : 'not'}>{ISOLATION[key] ?? key.replace(/_/g, ' ')}{on ? '' : ': not here'}</li>
                ))}
                {c.not_enforced.map((text) => <li key={text} class="not">{text}</li>)}
            </ul>
        </Card>
    );
}
