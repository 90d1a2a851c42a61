// SPDX-License-Identifier: Apache-2.0
// Where the settings of a simulation stand in the plot of cost against wait. Pure.
import { durationText } from '../format/time';
import { moneyText } from '../format/number';
import type { Setting } from './types';

export interface Point {
    x: number; // pixels from the left of the plot
    y: number; // pixels from its top
    // Settings that came out alike are one point; the first speaks for them.
    settings: Setting[];
    present: boolean;
    recommended: boolean;
}

export interface Axis {
    most: number;
    ticks: number[];
}

// Round numbers from 0 up, about `count` of them.
export function axisOf(most: number, count: number): Axis {
    if (!(most > 0)) return { most: 1, ticks: [0, 1] };
    const raw = most / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5, 10].find((f) => f * power >= raw) ?? 10);
    const n = Math.ceil(most / step - 1e-9);
    return { most: n * step, ticks: Array.from({ length: n + 1 }, (_, i) => Number((i * step).toPrecision(12))) };
}

const NEAR = 3; // pixels: nobody can tell points apart that are nearer

export function layOut(settings: readonly Setting[], width: number, height: number): { x: Axis; y: Axis; points: Point[] } {
    const x = axisOf(Math.max(0, ...settings.map((s) => s.p95)), width < 420 ? 4 : 7);
    const y = axisOf(Math.max(0, ...settings.map((s) => s.cost)), 5);
    const points: Point[] = [];
    // The present and the recommended one first, so that they speak where others lie on them.
    const rank = (s: Setting) => (s.present ? 0 : s.recommended ? 1 : 2);
    for (const s of [...settings].sort((a, b) => rank(a) - rank(b))) {
        const px = (s.p95 / x.most) * width;
        const py = height - (s.cost / y.most) * height;
        const there = points.find((p) => Math.hypot(p.x - px, p.y - py) < NEAR);
        if (there) {
            there.settings.push(s);
            there.recommended ||= s.recommended;
        } else {
            points.push({ x: px, y: py, settings: [s], present: s.present, recommended: s.recommended });
        }
    }
    return { x, y, points: points.sort((a, b) => a.x - b.x || b.y - a.y) };
}

export function keepText(keep: number | string): string {
    return keep === 'auto' ? 'auto' : durationText(Number(keep));
}

export function settingText(s: Setting): string {
    return `${s.min_instances}–${s.max_instances} instances, wait target ${durationText(s.target_wait)}, keep-alive ${keepText(s.keep_alive)}`;
}

export function pointText(p: Point): string {
    const s = p.settings[0] as Setting;
    const role = [p.present ? 'what you have' : '', p.recommended ? 'recommended' : ''].filter(Boolean).join(', ');
    const more = p.settings.length > 1 ? `; ${p.settings.length - 1} more came out alike` : '';
    return `${role ? `${role}: ` : ''}${settingText(s)}. 95 of 100 start within ${durationText(s.p95)}; it costs ${moneyText(s.cost)}${more}.`;
}
