// SPDX-License-Identifier: Apache-2.0
// One plot, drawn by uPlot. Its legend is ours, so that it reads well on narrow screens, and so is
// what it says to those who cannot see it.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { exactTime } from '../format/time';
import { lastText, spoken, stacked, type Plot } from './series';
import type { Decision } from './types';
import { useWidth } from './width';

const HEIGHT = 180;
const HOUR = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function colour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Grows whenever the colours change, by the system or by the page's own switch.
function useScheme(): number {
    const [n, setN] = useState(0);

    useEffect(() => {
        const changed = () => setN((was) => was + 1);
        const system = matchMedia('(prefers-color-scheme: dark)');
        const own = new MutationObserver(changed);
        system.addEventListener('change', changed);
        own.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
        return () => {
            system.removeEventListener('change', changed);
            own.disconnect();
        };
    }, []);
    return n;
}

// A thin line for each decision, a thick one for that which is pointed at in the list.
function drawMarks(u: uPlot, marks: readonly Decision[], chosen: string | null): void {
    const { ctx, bbox } = u;
    ctx.save();
    for (const mark of marks) {
        const x = u.valToPos(Date.parse(mark.at) / 1000, 'x', true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        const strong = mark.id === chosen;
        ctx.strokeStyle = colour(strong ? '--accent' : '--control-line');
        ctx.globalAlpha = strong ? 1 : 0.55;
        ctx.lineWidth = (strong ? 3 : 1) * devicePixelRatio;
        ctx.setLineDash(strong ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
    }
    ctx.restore();
}

// As wide as the longest of its labels: a fixed width cuts some.
function sizeOf(u: uPlot, labels: string[] | null): number {
    u.ctx.save();
    u.ctx.font = `${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    const widest = Math.max(0, ...(labels ?? []).map((text) => u.ctx.measureText(text).width / devicePixelRatio));
    u.ctx.restore();
    return Math.max(40, Math.ceil(widest) + 18);
}

function seriesOf(plot: Plot): uPlot.Series[] {
    return plot.lines.map((l): uPlot.Series => {
        const stroke = colour(`--plot-${l.colour}`);
        const filled = plot.form !== 'lines';
        return {
            label: l.label,
            stroke,
            width: plot.form === 'stack' ? 1 : 2,
            // Where steps without a value lie between others, a line alone would not be seen.
            points: { show: plot.form === 'lines' && l.values.includes(null), size: 5, fill: stroke, width: 0 },
            ...(filled ? { fill: stroke } : {}),
            ...(plot.form === 'bars' ? { paths: uPlot.paths.bars!({ size: [0.8, 24] }) } : {}),
            ...(plot.form === 'stack' ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
        };
    });
}

// A stack is drawn from its top down, so that each part covers what lies behind it.
// The last of its steps goes on to the end of the plot.
function dataOf(plot: Plot, xs: number[], end: number): uPlot.AlignedData {
    if (plot.form !== 'stack') return [xs, ...plot.lines.map((l) => l.values)] as uPlot.AlignedData;
    return [[...xs, end], ...stacked(plot.lines).reverse().map((sums) => [...sums, sums[sums.length - 1] ?? 0])];
}

export interface ChartProps {
    plot: Plot;
    starts: readonly string[];
    step: number; // seconds
    marks: readonly Decision[];
    chosen: string | null;
    onNear?: (mark: Decision | null) => void;
}

export function Chart({ plot, starts, step, marks, chosen, onNear }: ChartProps) {
    const box = useRef<HTMLDivElement>(null);
    const width = useWidth(box);
    const scheme = useScheme();
    const [at, setAt] = useState<number | null>(null);
    const chart = useRef<uPlot | null>(null);
    const latest = useRef({ marks, chosen, onNear, from: 0, end: 0, most: 0 });
    const xs = useMemo(() => starts.map((s) => Date.parse(s) / 1000), [starts]);
    const end = (xs[xs.length - 1] ?? 0) + step;

    latest.current = { marks, chosen, onNear, from: xs[0] ?? 0, end, most: xs.length - 1 };
    useEffect(() => {
        if (!box.current || width === 0) return;
        const axis = { stroke: colour('--muted'), grid: { stroke: colour('--plot-grid'), width: 1 }, ticks: { show: false } };
        const series = seriesOf(plot);
        const u = new uPlot({
            width, height: HEIGHT, legend: { show: false },
            cursor: { sync: { key: 'berth-metrics' }, y: false, drag: { x: false, y: false }, points: { show: plot.form === 'lines' } },
            // To the end of the present step: what was decided in it lies there.
            scales: { x: { time: true, range: () => [latest.current.from, latest.current.end] }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
            axes: [
                { ...axis, space: 64, size: 30, values: (_, splits) => splits.map((s) => HOUR.format(s * 1000)) },
                { ...axis, size: sizeOf, values: (_, splits) => splits.map((v) => plot.text(v)) },
            ],
            series: [{}, ...(plot.form === 'stack' ? series.reverse() : series)],
            hooks: {
                draw: [(self) => drawMarks(self, latest.current.marks, latest.current.chosen)],
                setCursor: [(self) => {
                    setAt(self.cursor.idx === null || self.cursor.idx === undefined ? null : Math.min(self.cursor.idx, latest.current.most));
                    const x = self.cursor.left ?? -1;
                    const near = x < 0 ? undefined : latest.current.marks.find((m) => Math.abs(self.valToPos(Date.parse(m.at) / 1000, 'x') - x) < 6);
                    latest.current.onNear?.(near ?? null);
                }],
            },
        }, dataOf(plot, xs, end), box.current);
        chart.current = u;
        return () => {
            chart.current = null;
            u.destroy();
        };
    }, [width, scheme, plot.id, plot.lines.length]);
    useEffect(() => chart.current?.setData(dataOf(plot, xs, end)), [plot, xs]);
    useEffect(() => chart.current?.redraw(false), [marks, chosen]);

    return (
        <figure class="chart">
            <figcaption>
                <h2>{plot.title}</h2>
                <span class="faint number">{at !== null && xs[at] !== undefined ? exactTime(xs[at] * 1000) : ''}</span>
            </figcaption>
            <div ref={box} class="plot" role="img" aria-label={spoken(plot)} />
            <ul class="legend">
                {plot.lines.map((l) => {
                    const value = at === null ? undefined : l.values[at];
                    return (
                        <li key={l.label}>
                            <i class={`swatch plot-${l.colour}`} aria-hidden="true" />{l.label}{' '}
                            <strong class="number">{value === undefined ? (l.whole ?? lastText(plot, l)) : value === null ? '–' : plot.text(value)}</strong>
                        </li>
                    );
                })}
            </ul>
        </figure>
    );
}
