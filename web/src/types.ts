// SPDX-License-Identifier: Apache-2.0
// The objects of the API, as docs/api.md shows them.

export interface Account {
    type: 'user' | 'organization';
    username: string;
    name: string;
    avatar_url?: string | null;
    github_url: string | null;
}

export interface Hardware {
    name: string;
    sku: string;
}

export interface Version {
    id: string;
    created_at: string;
    cog_version: string;
    openapi_schema: OpenApi;
}

// Only what the page reads of a version's OpenAPI document.
export interface OpenApi {
    components?: { schemas?: Record<string, Schema> };
}

export interface Schema {
    type?: string;
    title?: string;
    description?: string;
    format?: string;
    default?: unknown;
    enum?: unknown[];
    minimum?: number;
    maximum?: number;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    deprecated?: boolean;
    nullable?: boolean;
    items?: Schema;
    properties?: Record<string, Schema>;
    required?: string[];
    allOf?: Schema[];
    anyOf?: Schema[];
    $ref?: string;
    'x-order'?: number;
    'x-cog-array-type'?: string;
    'x-cog-array-display'?: string;
    'x-cog-secret'?: boolean;
}

export interface Model {
    url: string;
    owner: string;
    name: string;
    description: string | null;
    visibility: 'public' | 'private';
    github_url: string | null;
    paper_url: string | null;
    license_url: string | null;
    run_count: number;
    cover_image_url: string | null;
    default_example: Prediction | null;
    is_official: boolean;
    created_at: string;
    latest_version: Version | null;
}

export interface Configuration {
    hardware: string;
    min_instances: number;
    max_instances: number;
}

export interface Release {
    number: number;
    model: string;
    version: string;
    created_at: string;
    created_by: Account;
    configuration: Configuration;
}

export interface Scaling {
    target_wait: number;
    keep_alive: number | 'auto';
    max_queue: number;
    max_cost_per_hour: number | null;
    schedule: { days: string[]; from: string; to: string; min_instances: number }[];
}

export interface CanaryTerms {
    share: number; // of one
    seconds: number;
    max_error_rate: number;
    max_latency_ratio: number;
    min_requests: number;
}

export interface CanarySide {
    requests: number;
    ended: number;
    errors: number;
    median_seconds: number | null;
}

// The one that goes on, or went on last.
export interface Canary {
    state: 'setting up' | 'on' | 'promoted' | 'halted';
    release: number;
    beside: number;
    began_at: string | null;
    until: string | null;
    ended_at: string | null;
    why: string | null;
    new: CanarySide;
    old: CanarySide;
}

export interface ShadowTerms {
    share: number; // of one
    seconds: number;
    relative_tolerance: number;
    absolute_tolerance: number;
    max_copies: number;
}

export interface ShadowCounts {
    copied: number;
    same: number;
    differ: number;
    failed: number; // of those that were copied, on the new release
    dropped: number;
}

export type ShadowSide = Omit<CanarySide, 'requests'>;

// One that answers copies: the release beside it has all predictions.
export interface Shadow extends ShadowCounts {
    state: 'setting up' | 'on' | 'over' | 'promoted' | 'halted';
    release: number;
    beside: number;
    began_at: string | null;
    until: string | null;
    ended_at: string | null;
    why: string | null;
    new: ShadowSide;
    old: ShadowSide;
}

export interface ShadowExample {
    prediction: string;
    at: string;
    differences: number;
    kind: string;
    path: string;
    old: string | null;
    new: string | null;
    withheld: 'secret' | 'erased' | null;
    old_seconds: number | null;
    new_seconds: number | null;
}

// Of the last shadow; one that another canary or release came after ("past") says no more than what was counted.
export type ShadowReport = (Shadow | ({ state: 'past'; release: number; beside: number } & ShadowCounts)) & {
    by_kind: Record<string, number>;
    dropped_by: Record<string, number>;
    examples: ShadowExample[];
};

export interface Deployment {
    owner: string;
    name: string;
    current_release: Release;
    held?: string; // why nothing starts: a budget was reached
    scaling: Scaling;
    rollout?: { canary?: CanaryTerms; shadow?: ShadowTerms };
    canary?: Canary;
    shadow?: Shadow;
}

export type PredictionStatus = 'starting' | 'processing' | 'succeeded' | 'failed' | 'canceled' | 'aborted';

export interface Prediction {
    id: string;
    model: string;
    version: string;
    deployment?: string;
    input: Record<string, unknown> | null;
    logs: string | null;
    output: unknown;
    data_removed: boolean;
    error: string | null;
    source: string;
    status: PredictionStatus;
    created_at: string;
    started_at: string | null;
    completed_at: string | null;
    deadline?: string;
    instance?: string; // that runs it, or ran it last
    queue?: { position: number; estimated_start_at: string | null; reason?: string };
    metrics: Record<string, unknown> & { predict_time?: number; total_time?: number };
    cost?: number;
    urls: { get: string; cancel: string; web: string; stream?: string };
    webhook?: string;
    webhook_events_filter?: string[];
}

export interface Kind {
    seconds: number;
    cost: number;
}

export type Kinds = Record<'setup' | 'active' | 'idle' | 'drain' | 'failed', Kind>;

export interface Spent extends Kind {
    kinds: Kinds;
}

export interface Cost extends Spent {
    from: string;
    to: string;
    days: (Spent & { date: string; deployments?: SpentBy[] })[];
    deployments?: SpentBy[];
    releases?: (Spent & { release: number })[];
    hardware: (Spent & { sku: string; price: number })[];
}

export interface SpentBy extends Spent {
    type: 'deployment' | 'model';
    owner: string;
    name: string;
}

export interface Estimate {
    hardware: string;
    price: number; // for a second
    per_hour: { minimum: number; maximum: number };
    last_week?: { seconds: number; cost: number };
}

export interface Budget {
    amount: number;
    period: 'day' | 'month';
    warn_at: number;
    webhook: string | null;
    state: 'ok' | 'warned' | 'reached';
    spent: number;
    period_start: string;
    period_end: string;
}

export interface Capacity {
    machine: {
        cpus: number;
        memory_bytes: number;
        gpus: { index: number; name: string; memory_bytes: number; taken: boolean }[];
        cpu_overcommit: number;
        memory_overcommit: number;
        cpus_promised: number;
        memory_promised_bytes: number;
    };
    hardware?: CapacityHardware[];
    pools: { owner: string | null; name: string | null; hardware: string; instances: number; waits_for: string | null }[];
    disk: { free_bytes: number; reserve_bytes: number; is_low: boolean };
    isolation: Record<string, boolean>;
    not_enforced: string[];
}

export interface CapacityHardware {
    sku: string;
    name: string;
    price: number; // for a second
    price_per_hour: number;
    cpus: number;
    memory_bytes: number;
    gpus: number;
    gpu_memory_bytes: number | null;
    runtimes: string[];
    available: number; // how many more instances could boot now
}

export type DeploymentState = 'offline' | 'waiting' | 'setting up' | 'active' | 'idle' | 'failed' | 'disabled';

export interface Overview {
    owner: string;
    name: string;
    model: string;
    version: string;
    hardware: string;
    min_instances: number;
    max_instances: number;
    release: number;
    state: DeploymentState;
    failure: string | null;
    held: string | null;
    waits_for: string | null;
    instances: { setup: number; active: number; idle: number; draining: number };
    queue: number;
    last_used_at: string | null;
    hour: {
        step_seconds: number;
        requests: number[];
        wait_p95: (number | null)[];
        total: number;
        failed: number;
        p95: number | null;
    };
    cost_today: number;
}

export interface Token {
    id: string;
    name: string | null;
    hint: string;
    created_at: string;
    last_used_at: string | null;
    current: boolean;
    token?: string; // only in the answer that makes it
}
