// SPDX-License-Identifier: Apache-2.0
// A prediction as it goes or as it went: where it stands, what it gave out, what it said.
import type { JsonObject } from '../form/schema';
import { durationText, withTimes } from '../format/time';
import type { Prediction } from '../types';
import { Notice } from '../ui/states';
import { Time, useNow } from '../ui/text';
import { hasEnded, useBoot, type LivePrediction } from './live';
import { LogView } from './log_view';
import { phasesOf } from './timings';
import { Output } from './view';

// What a prediction that waits knows of its turn.
export function Waiting({ p }: { p: Prediction }) {
    const now = useNow();
    const waited = Math.max((now - Date.parse(p.created_at)) / 1000, 0);
    if (p.status === 'processing' || hasEnded(p)) return null;
    return (
        <div class="waiting" role="status">
            <p>
                {p.queue ? <><strong>Place {p.queue.position}</strong> in the queue</> : <strong>It is about to start</strong>}
                {p.queue?.estimated_start_at && <>, starts <Time at={p.queue.estimated_start_at} /></>}
                {p.queue?.reason && <>: {withTimes(p.queue.reason)}</>}
                <span class="faint"> · waits for {waited < 60 ? `${Math.floor(waited)} s` : durationText(waited)}</span>
            </p>
        </div>
    );
}

export function TimingBar({ p, deployment }: { p: Prediction; deployment: string | null }) {
    const now = useNow();
    const boot = useBoot(deployment, p);
    const phases = phasesOf(p, now, boot?.created_at, boot?.ready_at);
    if (phases.length === 0) return null;
    return (
        <div class="timings">
            <div class="timing-bar" aria-hidden="true">
                {phases.map((x) => <span key={x.name} class={x.name} style={{ flexGrow: String(Math.max(x.share, 0.01)) }} />)}
            </div>
            <dl>
                {phases.map((x) => <div key={x.name} class={x.name}><dt>{x.label}</dt><dd>{durationText(x.seconds)}</dd></div>)}
            </dl>
        </div>
    );
}

export function RunOutput({ p, pieces, schema }: {
    p: Prediction;
    pieces: LivePrediction['pieces'];
    schema: JsonObject;
}) {
    const live = !hasEnded(p);
    // Pieces that are text come by the stream sooner than the prediction itself is read again.
    const texts = schema['x-cog-array-display'] === 'concatenate';
    const value = live && pieces && texts ? pieces : p.output;
    if (p.data_removed) return <p class="faint">Input, output and logs of this prediction have been erased.</p>;
    return (
        <>
            {p.error && <Notice tone="bad" role="alert"><p><strong>It failed.</strong> {p.error}</p></Notice>}
            <Output value={value} schema={schema} live={live} />
        </>
    );
}

export function RunLogs({ p }: { p: Prediction }) {
    if (p.data_removed) return null;
    return <LogView text={p.logs ?? ''} label="Logs" empty={hasEnded(p) ? 'Nothing was logged.' : 'Nothing is logged yet.'} />;
}
