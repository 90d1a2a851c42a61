// SPDX-License-Identifier: Apache-2.0
// What the deployment did in the last two hours or the last day, with what its scaling decided.
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Page } from '../api';
import { useQuery, Loaded } from '../query';
import { Card } from '../ui/page';
import { Empty } from '../ui/states';
import { Time } from '../ui/text';
import { Chart } from './chart';
import type { TabProps } from './page';
import { isEmpty, marksOf, plotsOf } from './series';
import type { Decision, Metrics, Ring } from './types';

const GATHER = 5000; // ms: a busy deployment has events all the time, and its plots hundreds of steps
const STEP = 60_000; // ms: the plots move on by themselves, also where nothing happens

function Decisions({ marks, chosen, onChosen }: {
    marks: readonly Decision[];
    chosen: string | null;
    onChosen: (id: string | null) => void;
}) {
    if (marks.length === 0) return <p class="faint">The number of instances did not change in this time.</p>;
    return (
        <ol class="decisions" aria-label="Decisions of the scaling, newest first">
            {[...marks].reverse().map((m) => (
                <li key={m.id}>
                    <button type="button" aria-pressed={m.id === chosen} class={m.id === chosen ? 'chosen' : undefined}
                        onClick={() => onChosen(m.id === chosen ? null : m.id)} onFocus={() => onChosen(m.id)}
                        onMouseEnter={() => onChosen(m.id)}>
                        <span class="faint"><Time at={m.at} /></span> <span>{m.sentence}</span>
                    </button>
                </li>
            ))}
        </ol>
    );
}

function Plots({ ring, decisions }: { ring: Ring; decisions: readonly Decision[] }) {
    const plots = useMemo(() => plotsOf(ring), [ring]);
    const starts = useMemo(() => ring.steps.map((s) => s.start), [ring]);
    const marks = useMemo(() => marksOf(ring, decisions), [ring, decisions]);
    const [chosen, setChosen] = useState<string | null>(null);
    const near = (mark: Decision | null) => mark && setChosen(mark.id);
    const sentence = marks.find((m) => m.id === chosen)?.sentence;

    return (
        <div class="stack">
            <p class="mark-sentence" role="status">
                {sentence ?? <span class="faint">Dashed lines are the scaling’s decisions: point at one, or go through the list below.</span>}
            </p>
            <div class="charts">
                {plots.map((plot) => <Card key={plot.id}><Chart plot={plot} starts={starts} step={ring.step_seconds} marks={marks} chosen={chosen} onNear={near} /></Card>)}
            </div>
            <Card title="Decisions"><Decisions marks={marks} chosen={chosen} onChosen={setChosen} /></Card>
        </div>
    );
}

export function MetricsTab({ deployment: d, address }: TabProps) {
    const full = `${d.owner}/${d.name}`;
    const [span, setSpan] = useState<'hours' | 'day'>('hours');
    const metrics = useQuery<Metrics>(`${address}/metrics`, {
        live: ['prediction', 'predictions', 'instance'],
        about: (e) => e.data.deployment === undefined || e.data.deployment === full,
        gather: GATHER,
    });
    const decisions = useQuery<Page<Decision>>(`${address}/decisions`, { live: 'decision', about: (e) => e.data.deployment === full });

    useEffect(() => {
        const timer = setInterval(() => document.hidden || metrics.reload(), STEP);
        return () => clearInterval(timer);
    }, [metrics.reload]);
    return (
        <div class="stack">
            <fieldset class="pills">
                <legend class="visually-hidden">Time shown</legend>
                {([['hours', 'Last 2 hours'], ['day', 'Last 24 hours']] as const).map(([id, label]) => (
                    <label key={id}><input type="radio" name="span" checked={span === id} onChange={() => setSpan(id)} />{label}</label>
                ))}
            </fieldset>
            <Loaded query={metrics} what="the metrics">
                {(data) => isEmpty(data[span]) ? (
                    <Empty title={`Nothing happened in the last ${span === 'hours' ? '2 hours' : '24 hours'}`}>
                        <p>Latency, throughput, errors, the queue, instances and cost are plotted here as soon as something runs.</p>
                    </Empty>
                ) : <Plots key={span} ring={data[span]} decisions={decisions.data?.results ?? []} />}
            </Loaded>
        </div>
    );
}
