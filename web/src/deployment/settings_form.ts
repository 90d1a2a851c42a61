// SPDX-License-Identifier: Apache-2.0
// The settings of a deployment as a form has them, and what of them has to be sent. Pure.
import { countProblem } from '../format/number';
import type { CanaryTerms, Deployment, Scaling, ShadowTerms } from '../types';
import { USUAL } from './canary';
import { USUAL_SHADOW } from './shadow';

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
    way: Way; // how a new release comes
    terms: { canary: Record<keyof CanaryTerms, string>; shadow: Record<keyof ShadowTerms, string> }; // of it; shares in percent
}

// '': it has all predictions at once.
export type Way = '' | 'canary' | 'shadow';

const IN_PERCENT: readonly string[] = ['share', 'max_error_rate'];

function texts<T extends object>(terms: T): Record<keyof T, string> {
    return Object.fromEntries(Object.entries(terms).map(([key, n]) => [key, String(IN_PERCENT.includes(key) ? Number((n * 100).toFixed(4)) : n)])) as Record<keyof T, string>;
}

// All of it where there was none, else what was changed; what is emptied goes back to the default.
function termsPatch(now: Record<string, string>, saved: Record<string, string> | undefined): { [member: string]: unknown } | undefined {
    const changed = Object.entries(now).filter(([key, text]) => text !== saved?.[key]);
    if (changed.length === 0) return undefined;
    return Object.fromEntries(changed.map(([key, text]) => {
        const n = number(text);
        if (text.trim() === '') return [key, null];
        return [key, typeof n === 'number' && IN_PERCENT.includes(key) ? Number((n / 100).toFixed(6)) : n];
    }));
}

// One of the two takes the other's place.
function rolloutPatch(now: Settings, saved: Settings): Patch['rollout'] {
    if (now.way === '') return saved.way === '' ? undefined : { [saved.way]: null };
    const terms = termsPatch(now.terms[now.way], saved.way === now.way ? saved.terms[now.way] : undefined);
    return terms && { [now.way]: terms };
}

export interface Patch {
    version?: string;
    hardware?: string;
    min_instances?: number;
    max_instances?: number;
    scaling?: { [member: string]: unknown };
    rollout?: { [way in 'canary' | 'shadow']?: { [member: string]: unknown } | null } | undefined;
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
        way: d.rollout?.canary ? 'canary' : d.rollout?.shadow ? 'shadow' : '',
        terms: { canary: texts(d.rollout?.canary ?? USUAL), shadow: texts(d.rollout?.shadow ?? USUAL_SHADOW) },
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
    const rollout = rolloutPatch(now, saved);
    if (rollout) patch.rollout = rollout;
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
export function effectOf(patch: Patch, way: Way = ''): string {
    if (!isChanged(patch)) return 'Nothing is changed.';
    const boots = patch.version !== undefined || patch.hardware !== undefined;
    if (boots && way === 'canary')
        return 'Makes a new release, which begins as a canary: it has its share of the new predictions before it has all.';
    if (boots && way === 'shadow')
        return 'Makes a new release, which begins as a shadow: it answers copies, and what runs now has all predictions until you promote it.';
    if (boots)
        return 'Makes a new release. What runs now goes on; new predictions go over once an instance of the new release is ready.';
    if (patch.min_instances !== undefined || patch.max_instances !== undefined)
        return 'Makes a new release. The instances that run go over to it at once.';
    if (patch.scaling !== undefined) return 'Changes how it scales, at once. It makes no release.';
    return 'Changes how new releases come, and the canary or shadow that goes on. It makes no release.';
}
