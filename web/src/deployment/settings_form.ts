// SPDX-License-Identifier: Apache-2.0
// The settings of a deployment as a form has them, and what of them has to be sent. Pure.
import { countProblem } from '../format/number';
import type { CanaryTerms, Deployment, Scaling } from '../types';
import { USUAL } from './canary';

export interface Settings {
    version: string;
    hardware: string;
    min: string;
    max: string;
    target: string; // seconds
    auto: boolean; // keep-alive decided by the server
    keep: string; // seconds, where it is not
    most: string; // per hour; empty: no limit
    schedule: Scaling['schedule'];
    canary: boolean; // a new release has a share first
    terms: Record<keyof CanaryTerms, string>; // of it; shares in percent
}

const TERMS = Object.keys(USUAL) as (keyof CanaryTerms)[];
const IN_PERCENT: readonly (keyof CanaryTerms)[] = ['share', 'max_error_rate'];

function termsOf(t: CanaryTerms): Settings['terms'] {
    const text = (key: keyof CanaryTerms) => String(IN_PERCENT.includes(key) ? Number((t[key] * 100).toFixed(4)) : t[key]);
    return Object.fromEntries(TERMS.map((key) => [key, text(key)])) as Settings['terms'];
}

// All of it where there was none, else what was changed; what is emptied goes back to the default.
function canaryPatch(now: Settings, saved: Settings): { [member: string]: unknown } | null | undefined {
    if (!now.canary) return saved.canary ? null : undefined;
    const changed = TERMS.filter((key) => !saved.canary || now.terms[key] !== saved.terms[key]);
    if (changed.length === 0) return undefined;
    return Object.fromEntries(changed.map((key) => {
        const n = number(now.terms[key]);
        if (now.terms[key].trim() === '') return [key, null];
        return [key, typeof n === 'number' && IN_PERCENT.includes(key) ? Number((n / 100).toFixed(6)) : n];
    }));
}

export interface Patch {
    version?: string;
    hardware?: string;
    min_instances?: number;
    max_instances?: number;
    scaling?: { [member: string]: unknown };
    rollout?: { canary: { [member: string]: unknown } | null };
}

export function settingsOf(d: Deployment): Settings {
    const { current_release: r, scaling: s } = d;
    return {
        version: r.version,
        hardware: r.configuration.hardware,
        min: String(r.configuration.min_instances),
        max: String(r.configuration.max_instances),
        target: String(s.target_wait),
        auto: s.keep_alive === 'auto',
        keep: s.keep_alive === 'auto' ? '60' : String(s.keep_alive),
        most: s.max_cost_per_hour === null ? '' : String(s.max_cost_per_hour),
        schedule: s.schedule,
        canary: d.rollout?.canary !== undefined,
        terms: termsOf(d.rollout?.canary ?? USUAL),
    };
}

// A number where it is one; else the text as it stands, which the server refuses at its field.
function number(text: string): number | string {
    const n = Number(text);
    return text.trim() !== '' && Number.isFinite(n) ? n : text;
}

export function patchOf(now: Settings, saved: Settings): Patch {
    const patch: Patch = {};
    const scaling: { [member: string]: unknown } = {};
    if (now.version !== saved.version) patch.version = now.version;
    if (now.hardware !== saved.hardware) patch.hardware = now.hardware;
    if (now.min !== saved.min) patch.min_instances = number(now.min) as number;
    if (now.max !== saved.max) patch.max_instances = number(now.max) as number;
    if (now.target !== saved.target) scaling.target_wait = now.target.trim() === '' ? null : number(now.target);
    if (now.auto !== saved.auto || (!now.auto && now.keep !== saved.keep))
        scaling.keep_alive = now.auto ? 'auto' : number(now.keep);
    if (now.most !== saved.most) scaling.max_cost_per_hour = now.most.trim() === '' ? null : number(now.most);
    if (JSON.stringify(now.schedule) !== JSON.stringify(saved.schedule)) scaling.schedule = now.schedule;
    if (Object.keys(scaling).length > 0) patch.scaling = scaling;
    const canary = canaryPatch(now, saved);
    if (canary !== undefined) patch.rollout = { canary };
    return patch;
}

// What is wrong before the server is asked, by the names of its fields.
export function problemsIn(now: Settings): Map<string, string> {
    const found = new Map<string, string>();
    for (const [field, text] of [['min_instances', now.min], ['max_instances', now.max]] as const) {
        const wrong = countProblem(text);
        if (wrong) found.set(field, wrong);
    }
    return found;
}

export function isChanged(patch: Patch): boolean {
    return Object.keys(patch).length > 0;
}

// What saving does, in a sentence.
export function effectOf(patch: Patch, canary = false): string {
    if (!isChanged(patch)) return 'Nothing is changed.';
    if ((patch.version !== undefined || patch.hardware !== undefined) && canary)
        return 'Makes a new release, which begins as a canary: it has its share of the new predictions before it has all.';
    if (patch.version !== undefined || patch.hardware !== undefined)
        return 'Makes a new release. What runs now goes on; new predictions go over once an instance of the new release is ready.';
    if (patch.min_instances !== undefined || patch.max_instances !== undefined)
        return 'Makes a new release. The instances that run go over to it at once.';
    if (patch.scaling !== undefined) return 'Changes how it scales, at once. It makes no release.';
    return 'Changes how new releases come, and the canary that goes on. It makes no release.';
}
