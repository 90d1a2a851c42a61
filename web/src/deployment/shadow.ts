// SPDX-License-Identifier: Apache-2.0
// A shadow in words: what answers copies, and how many of the answers differ in which way. Pure.
import { countText, plural } from '../format/number';
import type { Shadow, ShadowCounts, ShadowExample, ShadowTerms } from '../types';
import { percentText } from './canary';

export const USUAL_SHADOW: ShadowTerms = { share: 0.1, seconds: 3600, relative_tolerance: 0.000001, absolute_tolerance: 0.000000001, max_copies: 4 };

// One table: each kind of difference, and each reason why there is no copy.
const KINDS: Record<string, string> = {
    status: 'one of the two failed', input: 'the input is not taken', type: 'another type', text: 'another text', number: 'another number',
    file: 'another file', missing: 'something is missing', added: 'something more',
};
const DROPS: Record<string, string> = {
    busy: 'enough copies were under way', not_ready: 'no instance was ready', too_large: 'the input was too large', canceled: 'the prediction was canceled',
    lost: 'the copy was lost',
};

export function kindText(kind: string): string {
    return KINDS[kind] ?? kind;
}

// "another text 2, another number 1", the most frequent first; empty where all are 0.
function listed(counts: Record<string, number>, names: Record<string, string>): string {
    return Object.entries(counts).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a).map(([key, n]) => `${names[key] ?? key} ${countText(n)}`).join(', ');
}

export function kindsText(byKind: Record<string, number>): string {
    return listed(byKind, KINDS);
}

export function dropsText(byReason: Record<string, number>): string {
    return listed(byReason, DROPS);
}

export function countsText(s: ShadowCounts): string {
    const compared = s.same + s.differ;
    if (compared === 0) return s.copied > 0 ? 'The first answers are being compared.' : 'Nothing has been compared yet.';
    if (s.differ === 0) return `${plural(compared, 'answer')} compared: all the same.`;
    return `${plural(compared, 'answer')} compared: ${countText(s.same)} the same, ${countText(s.differ)} ${s.differ === 1 ? 'differs' : 'differ'} (${percentText(s.differ / compared)}).`;
}

// What goes on, or went on, without when.
export function shadowSentence(s: Pick<Shadow, 'release' | 'beside'> & { state: string }, terms: ShadowTerms): string {
    switch (s.state) {
        case 'setting up':
            return `Release ${s.release} gets ready for copies of ${percentText(terms.share)} of the predictions. Release ${s.beside} has all of them.`;
        case 'on':
            return `Release ${s.release} answers copies of ${percentText(terms.share)} of the predictions, and nobody sees its answers. Release ${s.beside} has all of them.`;
        case 'over':
            return `The time of release ${s.release} is over. Release ${s.beside} serves on until you promote or halt it; more seconds in the settings let it go on.`;
        case 'promoted':
            return `Release ${s.release} has taken over from release ${s.beside}.`;
        case 'halted':
            return `Release ${s.release} was halted; release ${s.beside} has all predictions.`;
        default:
            return `Release ${s.release} answered copies beside release ${s.beside}.`;
    }
}

export function valueText(e: ShadowExample, side: 'old' | 'new'): string {
    if (e.withheld === 'secret') return 'withheld: the input held a secret';
    if (e.withheld === 'erased') return 'forgotten with the prediction’s data';
    return e[side] ?? 'nothing';
}
