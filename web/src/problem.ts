// SPDX-License-Identifier: Apache-2.0
// What an error of the API says, put where a form can show it. Pure.

export interface Problem {
    status: number;
    title?: string;
    detail: string;
    errors?: { pointer?: string; detail: string }[];
    invalid_fields?: { type: string; field: string; description: string }[];
    retry_after?: number;
}

// "/scaling/target_wait" is the field scaling.target_wait, "input.text" the field text of a form
// of inputs: both are asked for by the same dotted name.
export function fieldErrors(problem: Problem): Map<string, string> {
    const fields = new Map<string, string>();
    const add = (name: string, text: string) => {
        const before = fields.get(name);
        fields.set(name, before ? `${before} ${text}` : text.charAt(0).toUpperCase() + text.slice(1));
    };

    for (const e of problem.errors ?? [])
        if (e.pointer && e.pointer !== '/') add(pointerName(e.pointer), e.detail);
    for (const e of problem.invalid_fields ?? []) add(e.field, e.description);
    return fields;
}

function pointerName(pointer: string): string {
    return pointer.replace(/^[#/]+/, '').split('/').map((s) => s.replace(/~1/g, '/').replace(/~0/g, '~')).join('.');
}

// What belongs to no field that the form shows, as sentences.
export function otherErrors(problem: Problem, shown: readonly string[]): string[] {
    const fields = fieldErrors(problem);
    const others = (problem.errors ?? []).filter((e) => !e.pointer || e.pointer === '/').map((e) => e.detail);

    for (const [name, text] of fields) if (!shown.includes(name)) others.push(`${name}: ${text}`);
    if (fields.size === 0 && others.length === 0) others.push(problem.detail);
    return others;
}

export class ApiError extends Error {
    readonly status: number;
    readonly problem: Problem;
    readonly fields: Map<string, string>;

    constructor(problem: Problem) {
        super(otherErrors(problem, []).join(' ')); // the API's own detail is a list of many lines
        this.name = 'ApiError';
        this.status = problem.status;
        this.problem = problem;
        this.fields = fieldErrors(problem);
    }
}

// The server could not be asked at all.
export class Unreachable extends Error {
    constructor() {
        super('The server cannot be reached.');
        this.name = 'Unreachable';
    }
}

// An answer that is no success, as a problem, whoever sent it (a proxy sends HTML).
export function problemOf(status: number, contentType: string, body: string): Problem {
    if (/json/.test(contentType)) {
        try {
            const value: unknown = JSON.parse(body);
            if (typeof value === 'object' && value !== null && typeof (value as Problem).detail === 'string')
                return { ...(value as Problem), status };
        } catch {
            // told below, as any answer without a sentence
        }
    }
    return { status, detail: `The server answered ${status} without saying why.` };
}
