// SPDX-License-Identifier: Apache-2.0
// What the account's instances did and cost: by day, by deployment, by hardware.
import { useState } from 'preact/hooks';
import { dayText, durationText } from '../format/time';
import { Loaded, useQuery } from '../query';
import { path, withQuery } from '../router';
import type { Cost, Spent } from '../types';
import { Select } from '../ui/field';
import { Card } from '../ui/page';
import { Table, type Column } from '../ui/table';
import { Duration, Money } from '../ui/text';

const DAY_MS = 86_400_000;
const SPANS = [7, 30, 90] as const;

// The first of the last `days` days; today counts.
function firstDay(days: number): string {
    return new Date(Date.now() - (days - 1) * DAY_MS).toISOString().slice(0, 10);
}

export function Usage() {
    const [days, setDays] = useState(7);
    const cost = useQuery<Cost>(withQuery('/v1/account/cost', { from: firstDay(days) }));

    return (
        <Card title="Usage and cost" actions={(
            <div class="inline-select">
                <Select label="Show" value={String(days)} onChange={(v) => setDays(Number(v))}
                    choices={SPANS.map((n) => ({ value: String(n), label: `Last ${n} days` }))} />
            </div>
        )}>
            <Loaded query={cost} what="the costs">
                {(c) => (
                    <>
                        <p class="big"><Money value={c.cost} /> <span class="muted">for {durationText(c.seconds)} of instance time</span></p>
                        {c.seconds > 0 ? <Days of={c} days={days} /> : <p class="muted">No instances ran in this period.</p>}
                        <By what="Deployment or model" rows={c.deployments ?? []} name={(d) => (
                            // A deployment often has its model's name: which of the two it is must be said.
                            <>
                                <a href={d.type === 'model' ? path`/${d.owner}/${d.name}` : path`/deployments/${d.owner}/${d.name}`}>{d.owner}/{d.name}</a>
                                {d.type === 'model' && <span class="faint"> model, without a deployment</span>}
                            </>
                        )} keyOf={(d) => `${d.type} ${d.owner}/${d.name}`} />
                        <By what="Hardware" rows={c.hardware} name={(h) => <><code>{h.sku}</code> <span class="faint">at <Money value={h.price} exact per="second" /></span></>} keyOf={(h) => `${h.sku} ${h.price}`} />
                    </>
                )}
            </Loaded>
        </Card>
    );
}

// A bar for each day of the span, those without cost too: a gap is told as one.
function Days({ of: c, days }: { of: Cost; days: number }) {
    const known = new Map(c.days.map((d) => [d.date, d]));
    const from = Date.parse(`${firstDay(days)}T00:00:00Z`);
    const all = Array.from({ length: days }, (_, i) => {
        const date = new Date(from + i * DAY_MS).toISOString().slice(0, 10);
        return { date, cost: known.get(date)?.cost ?? 0, seconds: known.get(date)?.seconds ?? 0 };
    });
    const top = Math.max(...all.map((d) => d.cost));

    return (
        <div class="days" role="img" aria-label={`Cost by day: ${all.filter((d) => d.cost > 0).map((d) => `${dayText(d.date)} ${d.cost}`).join(', ') || 'nothing'}`}>
            {all.map((d) => (
                <div key={d.date} class="day" title={`${dayText(d.date)}: ${d.cost} for ${durationText(d.seconds)}`}>
                    <i style={{ height: `${top > 0 ? (d.cost / top) * 100 : 0}%` }} />
                    {days === 7 && <span>{dayText(d.date)}</span>}
                </div>
            ))}
        </div>
    );
}

function By<T extends Spent>({ what, rows, name, keyOf }: {
    what: string;
    rows: T[];
    name: (row: T) => preact.ComponentChildren;
    keyOf: (row: T) => string;
}) {
    const columns: Column<T>[] = [
        { title: what, head: true, wide: true, cell: name },
        { title: 'Active', align: 'right', cell: (r) => <Duration seconds={r.kinds.active.seconds} /> },
        { title: 'Idle', align: 'right', cell: (r) => <Duration seconds={r.kinds.idle.seconds} /> },
        { title: 'Setup', align: 'right', cell: (r) => <Duration seconds={r.kinds.setup.seconds + r.kinds.failed.seconds} /> },
        { title: 'Draining', align: 'right', cell: (r) => <Duration seconds={r.kinds.drain.seconds} /> },
        { title: 'Cost', align: 'right', cell: (r) => <Money value={r.cost} /> },
    ];

    return rows.length > 0 ? <Table caption={`Cost by ${what.toLowerCase()}`} columns={columns} rows={rows} keyOf={keyOf} /> : null;
}
