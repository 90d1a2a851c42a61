// SPDX-License-Identifier: Apache-2.0
// What the API answers of deployments, beside what all pages know.
import type { Release } from '../types';

// One row of GET /v1/deployments/overview.
export interface Overview {
    owner: string;
    name: string;
    release: number;
    state: string;
    failure: string | null;
    held: string | null;
    waits_for: string | null;
    instances: Record<'setup' | 'active' | 'idle' | 'draining', number>;
    queue: number;
}

export interface Spread {
    p50: number;
    p95: number;
    p99: number;
    mean: number;
}

export interface Step {
    start: string;
    created: number;
    succeeded: number;
    failed: number;
    canceled: number;
    aborted: number;
    throughput: number;
    error_rate: number;
    latency: Spread | null;
    wait: Spread | null;
    run: Spread | null;
    queue: { mean: number; max: number };
    instances: Record<'setup' | 'active' | 'idle' | 'draining', number>;
    boots: number;
    failed_boots: number;
    cold_starts: number;
    cost: number;
}

export interface Ring {
    step_seconds: number;
    steps: Step[];
}

export interface Metrics {
    now: string;
    hours: Ring;
    day: Ring;
}

export interface Decision {
    id: string;
    at: string;
    instances_before: number;
    instances_after: number;
    cause: string;
    sentence: string;
}

export interface Instance {
    id: string;
    state: string;
    version: string;
    hardware: string;
    predictions?: number;
    created_at: string;
    ready_at: string | null;
    ended_at?: string | null;
    end_reason?: string | null;
    setup_log?: string;
}

export interface Instances {
    results: Instance[];
    ended: Instance[];
    waiting_predictions: number;
    waits_for: string | null;
}

export interface ReleaseRow {
    release: Release;
    state: 'new' | 'canary' | 'shadow' | 'ready' | 'failed';
    ready_at: string | null;
    failed_at: string | null;
    failure: string | null;
}

export interface Setting {
    min_instances: number;
    max_instances: number;
    target_wait: number;
    keep_alive: number | string;
    present: boolean;
    recommended: boolean;
    instance_hours: number;
    boots: number;
    p50: number;
    p95: number;
    p99: number;
    over_target: number;
    cost: number;
}

export interface Simulation {
    predictions: number;
    boot_seconds: number;
    settings: Setting[];
    recommendation: string;
}
