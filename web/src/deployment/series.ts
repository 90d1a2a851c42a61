// SPDX-License-Identifier: Apache-2.0
// What of a deployment's metrics is plotted, and how its numbers are said. Pure.
import { countText, moneyText } from '../format/number';
import { durationText } from '../format/time';
import type { Decision, Ring, Step } from './types';

export interface Line {
    label: string;
    // Of the palette in tokens.css: --plot-1 …
    colour: 1 | 2 | 3 | 4 | 5;
    values: (number | null)[];
    // What the legend says of the whole time where nobody points at a moment.
    whole?: string;
}

export interface Plot {
    id: string;
    title: string;
    // Lines lie on each other (parts of a sum), as bars (amounts of a step), or each for itself.
    form: 'lines' | 'stack' | 'bars';
    lines: Line[];
    text: (value: number) => string;
}

type Pick = (s: Step) => number | null;

const seconds = (v: number): string => durationText(v);
const share = (v: number): string => `${(v * 100).toFixed(v > 0 && v < 0.1 ? 1 : 0)} %`;
const ended = (s: Step): number => s.succeeded + s.failed + s.canceled + s.aborted;

function line(steps: Step[], label: string, colour: Line['colour'], pick: Pick): Line {
    return { label, colour, values: steps.map(pick) };
}

const sum = (steps: Step[], pick: (s: Step) => number): number => steps.reduce((all, s) => all + pick(s), 0);

export function plotsOf(ring: Ring): Plot[] {
    const { steps } = ring;
    const of = (label: string, colour: Line['colour'], pick: Pick) => line(steps, label, colour, pick);
    const all = sum(steps, ended);
    const failed = sum(steps, (s) => s.failed);
    const cost = sum(steps, (s) => s.cost);

    return [
        {
            id: 'latency', title: 'Latency', form: 'lines', text: seconds,
            lines: [of('half', 1, (s) => s.latency?.p50 ?? null), of('95 of 100', 2, (s) => s.latency?.p95 ?? null),
                of('99 of 100', 3, (s) => s.latency?.p99 ?? null)],
        },
        {
            id: 'throughput', title: 'Throughput', form: 'lines', text: (v) => `${countText(v)} / min`,
            lines: [{ ...of('ended', 1, (s) => (ended(s) * 60) / ring.step_seconds), whole: `${countText(all)} in all` }],
        },
        {
            id: 'errors', title: 'Errors', form: 'lines', text: share,
            lines: [{
                ...of('failed', 5, (s) => (ended(s) > 0 ? s.error_rate : null)),
                whole: all > 0 ? `${countText(failed)} of ${countText(all)}, ${share(failed / all)}` : 'none',
            }],
        },
        {
            id: 'wait', title: 'Wait before the start', form: 'lines', text: seconds,
            lines: [of('half', 1, (s) => s.wait?.p50 ?? null), of('95 of 100', 2, (s) => s.wait?.p95 ?? null)],
        },
        {
            id: 'queue', title: 'Queue', form: 'lines', text: countText,
            lines: [of('most', 2, (s) => s.queue.max), of('mean', 1, (s) => s.queue.mean)],
        },
        {
            id: 'instances', title: 'Instances', form: 'stack', text: (v) => v.toFixed(v < 10 ? 1 : 0),
            lines: [of('active', 1, (s) => s.instances.active), of('idle', 3, (s) => s.instances.idle),
                of('setting up', 4, (s) => s.instances.setup), of('draining', 2, (s) => s.instances.draining)],
        },
        {
            id: 'cost', title: `Cost in each ${ring.step_seconds === 60 ? 'minute' : durationText(ring.step_seconds)}`, form: 'bars', text: moneyText,
            lines: [{ ...of('cost', 1, (s) => s.cost), whole: `${moneyText(cost)} in all` }],
        },
    ];
}

// Each line of a stack on top of those before it.
export function stacked(lines: readonly Line[]): number[][] {
    const sums: number[][] = [];
    for (const [i, l] of lines.entries()) sums.push(l.values.map((v, at) => (v ?? 0) + (sums[i - 1]?.[at] ?? 0)));
    return sums;
}

// Whether anything happened at all.
export function isEmpty(ring: Ring): boolean {
    return ring.steps.every((s) => ended(s) === 0 && s.created === 0 && s.cost === 0 && s.queue.max === 0
        && Object.values(s.instances).every((n) => n === 0));
}

// The decisions that lie within the plot, oldest first.
export function marksOf(ring: Ring, decisions: readonly Decision[]): Decision[] {
    const from = ring.steps[0]?.start ?? '';
    return decisions.filter((d) => from !== '' && Date.parse(d.at) >= Date.parse(from)).reverse();
}

// The last value that there is: what the legend says where nobody points at a moment.
export function lastText(plot: Plot, l: Line): string {
    const known = l.values.filter((v): v is number => v !== null);
    const last = known[known.length - 1];
    return last === undefined ? '–' : plot.text(last);
}

// A plot in a sentence, for those who cannot see it.
export function spoken(plot: Plot): string {
    const parts = plot.lines.map((l) => {
        const known = l.values.filter((v): v is number => v !== null);
        if (known.length === 0) return `${l.label}: nothing`;
        return `${l.label}: last ${lastText(plot, l)}, at most ${plot.text(Math.max(...known))}`;
    });
    return `${plot.title}. ${parts.join('; ')}.`;
}
