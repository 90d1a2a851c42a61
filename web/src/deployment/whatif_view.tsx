// SPDX-License-Identifier: Apache-2.0
// The what-if chart: what this deployment's own traffic would have cost, and how long it would have
// waited, with other settings. One of them, clicked or chosen with the keyboard, fills the form.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../api';
import { moneyText, plural } from '../format/number';
import { durationText } from '../format/time';
import { Button } from '../ui/button';
import { Card } from '../ui/page';
import { Failure } from '../ui/states';
import { Table } from '../ui/table';
import { Money } from '../ui/text';
import type { Setting, Simulation } from './types';
import { keepText, layOut, pointText, settingText, type Point } from './whatif';
import { useWidth } from './width';

const HEIGHT = 240;
const LEFT = 62;
const BOTTOM = 40;
const TOP = 12;
const RIGHT = 16;

function Dot({ point: p, tab, onUse, onLook }: {
    point: Point;
    tab: boolean;
    onUse: (s: Setting) => void;
    onLook: (p: Point) => void;
}) {
    const use = () => onUse(p.settings[0] as Setting);
    const key = (event: KeyboardEvent) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        use();
    };
    return (
        <g class={`dot${p.present ? ' present' : ''}${p.recommended ? ' recommended' : ''}`} role="button" tabIndex={tab ? 0 : -1}
            aria-label={`Use ${pointText(p)}`} transform={`translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})`} onClick={use} onKeyDown={key}
            onFocus={() => onLook(p)} onMouseEnter={() => onLook(p)}>
            <circle r="12" class="target" />
            {p.present ? <rect x="-6" y="-6" width="12" height="12" transform="rotate(45)" class="mark" /> : <circle r={p.recommended ? 7 : 5} class="mark" />}
        </g>
    );
}

function Plot({ settings, onUse }: { settings: readonly Setting[]; onUse: (s: Setting) => void }) {
    const box = useRef<HTMLDivElement>(null);
    const full = useWidth(box);
    const width = Math.max(full - LEFT - RIGHT, 10);
    const { x, y, points } = layOut(settings, width, HEIGHT);
    const [looked, setLooked] = useState<Point | null>(null);
    const start = Math.max(points.findIndex((p) => p.present), 0);
    const [tab, setTab] = useState<number | null>(null);
    const at = tab !== null && tab < points.length ? tab : start;
    const key = (event: KeyboardEvent) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!by) return;
        event.preventDefault();
        const next = (at + by + points.length) % points.length;
        setTab(next);
        box.current?.querySelectorAll<SVGGElement>('.dot')[next]?.focus();
    };
    const shown = looked && points.some((p) => p.settings[0] === looked.settings[0]) ? looked : points[start];

    return (
        <div class="whatif">
            <div ref={box}>
                {full > 0 && (
                    <svg width={full} height={HEIGHT + TOP + BOTTOM} role="group" aria-label="Cost against wait for each setting; the arrow keys go from one to the next" onKeyDown={key}>
                        <g transform={`translate(${LEFT} ${TOP})`}>
                            {y.ticks.map((t) => {
                                const py = HEIGHT - (t / y.most) * HEIGHT;
                                return <g key={t} class="tick"><line x2={width} y1={py} y2={py} /><text x="-8" y={py + 4} text-anchor="end">{moneyText(t)}</text></g>;
                            })}
                            {x.ticks.map((t) => {
                                const px = (t / x.most) * width;
                                return <g key={t} class="tick"><line x1={px} x2={px} y2={HEIGHT} /><text x={px} y={HEIGHT + 17} text-anchor="middle">{durationText(t)}</text></g>;
                            })}
                            <text class="axis" x={width / 2} y={HEIGHT + 36} text-anchor="middle">95 of 100 start within</text>
                            {points.map((p, i) => <Dot key={`${i} ${p.settings.length}`} point={p} tab={i === at} onUse={onUse}
                                onLook={(q) => { setLooked(q); setTab(i); }} />)}
                        </g>
                    </svg>
                )}
            </div>
            <ul class="legend">
                <li><i class="key present" aria-hidden="true" />what you have</li>
                <li><i class="key recommended" aria-hidden="true" />recommended</li>
                <li><i class="key" aria-hidden="true" />other settings</li>
                <li class="faint">upwards: what the same traffic costs</li>
            </ul>
            {shown && <p class="whatif-said" role="status">{pointText(shown)}</p>}
        </div>
    );
}

function All({ settings, onUse }: { settings: readonly Setting[]; onUse: (s: Setting) => void }) {
    return (
        <details>
            <summary>All {settings.length} settings as a table</summary>
            <Table caption="Settings that were tried" rows={settings} keyOf={(s) => settingText(s)}
                columns={[
                    { title: 'Minimum–maximum', head: true, cell: (s) => <>{s.min_instances}–{s.max_instances}{s.present && ' · what you have'}{s.recommended && ' · recommended'}</> },
                    { title: 'Wait target', align: 'right', cell: (s) => durationText(s.target_wait) },
                    { title: 'Keep-alive', align: 'right', cell: (s) => keepText(s.keep_alive) },
                    { title: 'Wait, 95 of 100', align: 'right', cell: (s) => durationText(s.p95) },
                    { title: 'Cost', align: 'right', cell: (s) => <Money value={s.cost} /> },
                    { title: 'Use', hideTitle: true, align: 'right', cell: (s) => <Button small label={`Use ${settingText(s)}`} onClick={() => onUse(s)}>Use</Button> },
                ]} />
        </details>
    );
}

export function WhatIf({ address, days = 7, onUse }: { address: string; days?: number; onUse: (s: Setting) => void }) {
    const [result, setResult] = useState<Simulation>();
    const [error, setError] = useState<Error>();
    const [tries, setTries] = useState(0);

    useEffect(() => {
        const abort = new AbortController();
        setError(undefined);
        post<Simulation>(`${address}/simulate`, { days }, { signal: abort.signal }).then(
            setResult,
            (e: Error) => abort.signal.aborted || setError(e),
        );
        return () => abort.abort();
    }, [address, tries]);
    return (
        <Card title="What if" actions={result && <Button small kind="quiet" onClick={() => setTries(tries + 1)}>Compare again</Button>}>
            {error && <Failure error={error} what="the comparison" retry={() => setTries(tries + 1)} />}
            {!result && !error && <p class="muted" role="status">Replaying the traffic of the last {days} days with other settings…</p>}
            {result && result.predictions === 0 && (
                <p class="muted">Nothing ran in the last {days} days. As soon as something has, its traffic is replayed here with other settings, to compare what they would cost.</p>
            )}
            {result && result.predictions > 0 && (
                <>
                    <p class="muted">
                        {plural(result.predictions, 'prediction')} of the last {days} days, replayed with {plural(result.settings.length, 'setting')};
                        a boot takes {durationText(result.boot_seconds)}. Choose one to put it into the form.
                    </p>
                    <Plot settings={result.settings} onUse={onUse} />
                    <p>{result.recommendation}</p>
                    <All settings={result.settings} onUse={onUse} />
                </>
            )}
        </Card>
    );
}
