// SPDX-License-Identifier: Apache-2.0
// What a release changed of the one before it. Pure.
import type { Release } from '../types';

export interface Change {
    what: string;
    from: string;
    to: string;
}

const short = (version: string): string => version.slice(0, 8);

export function changesOf(now: Release, before: Release | undefined): Change[] {
    if (!before) return [];
    const changes: Change[] = [];
    const compare = (what: string, from: string | number, to: string | number, show: (v: string | number) => string = String) => {
        if (from !== to) changes.push({ what, from: show(from), to: show(to) });
    };
    compare('Model', before.model, now.model);
    compare('Version', before.version, now.version, (v) => short(String(v)));
    compare('Hardware', before.configuration.hardware, now.configuration.hardware);
    compare('Minimum', before.configuration.min_instances, now.configuration.min_instances);
    compare('Maximum', before.configuration.max_instances, now.configuration.max_instances);
    return changes;
}
