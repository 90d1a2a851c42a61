// SPDX-License-Identifier: Apache-2.0
// How long a prediction waited, booted and ran. Pure.

export interface Phase {
    name: 'queue' | 'boot' | 'run';
    label: string;
    seconds: number;
    // Of the whole, 0 to 1.
    share: number;
}

export interface Times {
    status: string;
    created_at: string;
    started_at: string | null;
    completed_at: string | null;
    metrics?: { [name: string]: unknown };
}

const LABELS = { queue: 'Queue', boot: 'Boot', run: 'Run' };

// `bootFrom`, where known, is when the instance that ran it was made: what it waited for from then
// on was that boot. `now` is milliseconds, for what has not ended.
export function phasesOf(p: Times, now: number, bootFrom?: string | null, readyAt?: string | null): Phase[] {
    const created = Date.parse(p.created_at);
    const end = p.completed_at ? Date.parse(p.completed_at) : Math.max(now, created);
    const started = p.started_at ? Date.parse(p.started_at) : end;
    const ready = Math.min(readyAt ? Date.parse(readyAt) : started, started);
    const boot = bootFrom ? Math.max(Date.parse(bootFrom), created) : started;
    const bootTime = Math.max(ready - boot, 0);
    const parts: [Phase['name'], number][] = [
        ['queue', Math.max(started - created - bootTime, 0)],
        ['boot', bootTime],
        ['run', p.started_at ? Math.max(end - started, 0) : 0],
    ];
    const whole = parts.reduce((sum, [, ms]) => sum + ms, 0) || 1;
    return parts
        .filter(([, ms]) => ms > 0)
        .map(([name, ms]) => ({ name, label: LABELS[name], seconds: ms / 1000, share: ms / whole }));
}
