// SPDX-License-Identifier: Apache-2.0
// A shadow beside the release that it belongs to: how its answers differ, and both ends by hand.
import { durationText } from '../format/time';
import { ApiError } from '../problem';
import { useQuery, type Query } from '../query';
import { path } from '../router';
import type { Deployment, ShadowExample, ShadowReport } from '../types';
import { Failure } from '../ui/states';
import { StateBadge, Time } from '../ui/text';
import { Table } from '../ui/table';
import { errorsText, isOn } from './canary';
import { EndByHand } from './canary_view';
import type { TabProps } from './page';
import { countsText, dropsText, kindsText, kindText, shadowSentence, USUAL_SHADOW, valueText } from './shadow';

const GATHER = 1000; // ms: what it counts grows with each prediction

export function useShadow({ deployment: d, address }: TabProps) {
    return useQuery<ShadowReport>(d.shadow || d.rollout ? `${address}/shadow` : null, {
        live: ['deployment', 'release'],
        about: (e) => e.data.deployment === `${d.owner}/${d.name}` || (e.data.owner === d.owner && e.data.name === d.name),
        gather: GATHER,
    });
}

function When({ report: s }: { report: ShadowReport }) {
    if (s.state === 'past') return null;
    if (s.state === 'on') return <>It began <Time at={s.began_at} /> and ends <Time at={s.until} />.</>;
    return s.ended_at ? <>It ended <Time at={s.ended_at} />.</> : null;
}

function Figures({ report: s }: { report: ShadowReport }) {
    if (s.state === 'past') return null;
    return (
        <Table caption="Copies and what they copied" rows={[
            { what: 'Errors', fresh: errorsText(s.new), old: errorsText(s.old) },
            { what: 'Run time of half', fresh: durationText(s.new.median_seconds), old: durationText(s.old.median_seconds) },
        ]} keyOf={(f) => f.what} columns={[
            { title: 'What', head: true, cell: (f) => f.what },
            { title: `Release ${s.release}`, cell: (f) => f.fresh },
            { title: `Release ${s.beside}`, cell: (f) => f.old },
        ]} />
    );
}

function Examples({ report: s }: { report: ShadowReport }) {
    const value = (e: ShadowExample, side: 'old' | 'new') =>
        e.withheld || e[side] === null ? <span class="faint">{valueText(e, side)}</span> : <code class="breaks">{valueText(e, side)}</code>;

    if (s.examples.length === 0) return null;
    return (
        <Table<ShadowExample> caption="The latest answers that differ" rows={s.examples} keyOf={(e) => e.prediction} columns={[
            { title: 'Prediction', head: true, cell: (e) => <><a href={path`/p/${e.prediction}`}>{e.prediction.slice(-8)}</a> <span class="sub"><Time at={e.at} /></span></> },
            { title: 'Where', cell: (e) => <><code class="breaks">{e.path}</code> <span class="sub">{kindText(e.kind)}{e.differences > 1 && `, and ${e.differences - 1} more`}</span></> },
            { title: `Release ${s.beside}`, cell: (e) => value(e, 'old') },
            { title: `Release ${s.release}`, cell: (e) => value(e, 'new') },
        ]} />
    );
}

// `query` has the deployment's last one, which is shown where it belongs.
export function ShadowOf({ number, query, ...props }: TabProps & { number: number; query: Query<ShadowReport> }) {
    const { deployment: d } = props;
    const s = query.data;
    const none = query.error instanceof ApiError && query.error.status === 404;

    if (d.shadow?.release === number && !s && query.error && !none) return <Failure error={query.error} what="the shadow" retry={query.reload} />;
    if (s?.release !== number) return null;
    const kinds = kindsText(s.by_kind);
    const drops = dropsText(s.dropped_by);
    const onEnded = (after: Deployment) => {
        props.onChanged(after);
        query.reload();
    };
    return (
        <section class="canary" aria-label={`Shadow of release ${s.release}`}>
            <header>
                <h3>Shadow</h3> <StateBadge state={s.state} />
                {(isOn(s) || s.state === 'over') && (
                    <EndByHand address={props.address} what="shadow" release={s.release} onEnded={onEnded}
                        promotes={`It has all new predictions from now on, whatever differs. What release ${s.beside} runs ends there.`}
                        halts={`It is marked as failed and answers no more copies. Release ${s.beside} goes on with all predictions.`} />
                )}
            </header>
            <p>{shadowSentence(s, d.rollout?.shadow ?? USUAL_SHADOW)} <When report={s} /></p>
            {s.state !== 'past' && s.why && <p class={s.state === 'halted' ? 'failure' : undefined}>{s.why}</p>}
            {s.state !== 'setting up' && (
                <>
                    <p role="status"><strong>{countsText(s)}</strong>{kinds && <> {`By kind: ${kinds}.`}</>}</p>
                    {drops && <p class="muted">Not copied: {drops}.</p>}
                    <Figures report={s} />
                    <Examples report={s} />
                </>
            )}
        </section>
    );
}
