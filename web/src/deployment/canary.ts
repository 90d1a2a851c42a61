// SPDX-License-Identifier: Apache-2.0
// A canary in words: which release has what, and how the new one does beside the old one. Pure.
import { countText } from '../format/number';
import { durationText } from '../format/time';
import type { Canary, CanaryTerms, Deployment, ShadowSide } from '../types';

export const USUAL: CanaryTerms = { share: 0.1, seconds: 600, max_error_rate: 0.05, max_latency_ratio: 2, min_requests: 20 };

export function isOn(c: { state: string } | undefined): boolean {
    return c?.state === 'on' || c?.state === 'setting up';
}

// The release that has most or all of the predictions.
export function leadingRelease(d: Deployment): number {
    const { number } = d.current_release;
    const tried = d.canary ?? d.shadow;
    return tried && tried.release === number && tried.state !== 'promoted' ? tried.beside : number;
}

export function percentText(share: number): string {
    return `${countText(share * 100)} %`;
}

export function errorsText(side: ShadowSide): string {
    return side.ended === 0 ? 'none ended' : `${countText(side.errors)} of ${countText(side.ended)}, ${percentText(side.errors / side.ended)}`;
}

export interface Figure {
    what: string;
    fresh: string;
    old: string;
    rule: string;
    wrong: boolean; // beyond the rule, as far as one can tell yet
}

export function figuresOf(c: Canary, terms: CanaryTerms): Figure[] {
    const { new: fresh, old } = c;
    const all = fresh.requests + old.requests;
    const slower = fresh.median_seconds !== null && old.median_seconds ? fresh.median_seconds / old.median_seconds : null;
    const rate = fresh.ended > 0 ? fresh.errors / fresh.ended : 0;
    return [
        {
            what: 'Predictions', fresh: `${countText(fresh.requests)}${all > 0 ? `, ${percentText(fresh.requests / all)}` : ''}`, old: countText(old.requests),
            rule: `It is to have ${percentText(terms.share)}.`, wrong: false,
        },
        {
            what: 'Errors', fresh: errorsText(fresh), old: errorsText(old),
            rule: `More than ${percentText(terms.max_error_rate)} of ${countText(terms.min_requests)} or more halt it, unless the old one fails as often.`,
            wrong: rate > terms.max_error_rate,
        },
        {
            what: 'Run time of half', fresh: `${durationText(fresh.median_seconds)}${slower === null ? '' : `, ${countText(slower)} times`}`,
            old: durationText(old.median_seconds),
            rule: `More than ${countText(terms.max_latency_ratio)} times the old one’s halts it, with ${countText(terms.min_requests)} or more on each.`,
            wrong: slower !== null && slower > terms.max_latency_ratio,
        },
    ];
}

// What goes on, or went on, without when.
export function sentenceOf(c: Canary, terms: CanaryTerms): string {
    switch (c.state) {
        case 'setting up':
            return `Release ${c.release} gets ready for ${percentText(terms.share)} of the new predictions. Release ${c.beside} has all of them meanwhile.`;
        case 'on':
            return `Release ${c.release} has ${percentText(terms.share)} of the new predictions, release ${c.beside} the others.`;
        case 'promoted':
            return `Release ${c.release} has taken over from release ${c.beside}.`;
        default:
            return `Release ${c.release} was halted; release ${c.beside} has all predictions again.`;
    }
}
