// SPDX-License-Identifier: Apache-2.0
// What stands in a form's fields, as typed, and what of it goes to the API. Pure.
import { plural } from '../format/number';
import { isObject, type Field, type Json, type JsonObject } from './schema';

// As typed: text of a text, number, choice (its JSON), file (its address) or JSON; a switch; rows.
export type Entry = string | boolean | Entry[];
export type Entries = { [name: string]: Entry };

export interface Read {
    input: JsonObject;
    // By field name; a list's rows as "name[2]".
    problems: { [name: string]: string };
}

const indented = (v: Json): string => JSON.stringify(v, null, 2);

export function entryOf(field: Field, value: Json | undefined): Entry {
    switch (field.kind) {
        case 'boolean':
            return value === true;
        case 'list':
            return Array.isArray(value) && field.item
                ? value.map((one) => entryOf(field.item as Field, one))
                : [];
        case 'choice':
            return value === undefined || value === null ? '' : JSON.stringify(value);
        case 'json':
            return value === undefined || value === null ? '' : indented(value);
        default:
            return value === undefined || value === null ? '' : String(value);
    }
}

// The form as it opens: the defaults, or what `input` has of the fields. A masked secret is not
// the secret, so it is left for the person to type again.
export function entriesOf(fields: Field[], input?: JsonObject): Entries {
    const entries: Entries = {};
    for (const f of fields) {
        const given = input && f.name in input && f.kind !== 'secret';
        entries[f.name] = entryOf(f, given ? input[f.name] : f.fallback);
    }
    return entries;
}

interface One {
    value?: Json;
    problem?: string;
}

function readNumber(f: Field, typed: string): One {
    const value = Number(typed);
    if (!Number.isFinite(value)) return { problem: `"${typed}" is not a number.` };
    if (f.kind === 'integer' && !Number.isInteger(value))
        return { problem: `${typed} is not a whole number.` };
    if (f.kind === 'integer' && !Number.isSafeInteger(value))
        return { problem: `${typed} is larger than this page can send exactly; use the API.` };
    if (f.min !== undefined && value < f.min) return { problem: `${typed} is less than ${f.min}.` };
    if (f.max !== undefined && value > f.max) return { problem: `${typed} is more than ${f.max}.` };
    return { value };
}

function matches(pattern: string, typed: string): boolean {
    try {
        return new RegExp(pattern, 'u').test(typed);
    } catch {
        return true; // a pattern that only the server's language knows is the server's to judge
    }
}

function readText(f: Field, typed: string): One {
    const length = [...typed].length;
    if (f.minLength !== undefined && length < f.minLength)
        return { problem: `${plural(length, 'character')}; at least ${f.minLength} are needed.` };
    if (f.maxLength !== undefined && length > f.maxLength)
        return { problem: `${plural(length, 'character')}; at most ${f.maxLength} are taken.` };
    if (f.pattern !== undefined && !matches(f.pattern, typed))
        return { problem: `This does not match ${f.pattern}.` };
    return { value: typed };
}

const ADDRESS = /^(https?:\/\/\S+|data:[^,]*,)/is;

function readTyped(f: Field, typed: string): One {
    switch (f.kind) {
        case 'integer':
        case 'number':
            return readNumber(f, typed.trim());
        case 'choice':
        case 'json':
            try {
                return { value: JSON.parse(typed) as Json };
            } catch (e) {
                return { problem: `This is not JSON: ${(e as Error).message}.` };
            }
        case 'file':
            if (!ADDRESS.test(typed.trim()))
                return { problem: 'An address begins with https://, http:// or data:.' };
            return { value: typed.trim() };
        default:
            return readText(f, typed);
    }
}

// An empty field is left out, so that the model's own default holds; but a text whose default was
// deleted by hand is an empty text.
function isLeftOut(f: Field, typed: string): boolean {
    if (f.kind === 'text') return typed === '' && !(typeof f.fallback === 'string' && f.fallback);
    return typed.trim() === '';
}

function readList(f: Field, rows: Entry[], problems: Read['problems']): Json[] | undefined {
    const item = f.item as Field;
    const values: Json[] = [];
    rows.forEach((row, i) => {
        const one = typeof row === 'string' ? (row === '' && item.kind !== 'text'
            ? { problem: 'This row is empty: fill it in, or take it away.' }
            : readTyped(item, row)) : { value: row as boolean };
        if (one.problem !== undefined) problems[`${f.name}[${i}]`] = one.problem;
        else values.push(one.value as Json);
    });
    if (rows.length === 0 && f.fallback === undefined && !f.required) return undefined;
    if (f.minItems !== undefined && rows.length < f.minItems)
        problems[f.name] = `${plural(rows.length, 'row')}; at least ${f.minItems} are needed.`;
    if (f.maxItems !== undefined && rows.length > f.maxItems)
        problems[f.name] = `${plural(rows.length, 'row')}; at most ${f.maxItems} are taken.`;
    return values;
}

export function readEntries(fields: Field[], entries: Entries): Read {
    const read: Read = { input: {}, problems: {} };
    for (const f of fields) {
        const entry = entries[f.name];
        let value: Json | undefined;
        if (typeof entry === 'boolean') {
            value = entry;
        } else if (Array.isArray(entry)) {
            value = readList(f, entry, read.problems);
        } else if (entry === undefined || isLeftOut(f, entry)) {
            if (f.required) read.problems[f.name] = 'This field is needed.';
        } else {
            const one = readTyped(f, entry);
            if (one.problem !== undefined) read.problems[f.name] = one.problem;
            value = one.value;
        }
        if (value !== undefined) read.input[f.name] = value;
    }
    return read;
}

// The API's invalid_fields ("input.text", "input.list[1]") by the form's own names.
export function problemsOf(invalid: unknown): Read['problems'] {
    const problems: Read['problems'] = {};
    if (!Array.isArray(invalid)) return problems;
    for (const one of invalid) {
        if (!isObject(one) || typeof one.field !== 'string') continue;
        const name = one.field.replace(/^input\.?/, '').replace(/\.(\d+)/g, '[$1]');
        problems[name] = String(one.description ?? 'This is not valid.');
    }
    return problems;
}

// How far a slider moves at once: whole numbers by one, others by about a hundredth of the range.
export function stepOf(f: Field): number {
    if (f.kind === 'integer') return 1;
    const range = (f.max ?? 1) - (f.min ?? 0);
    const step = 10 ** Math.floor(Math.log10((range > 0 ? range : 1) / 50));
    return Number(step.toPrecision(1));
}

// Something plausible for each field that must be given and all defaults: a sample to copy.
export function sampleInput(fields: Field[]): JsonObject {
    const input: JsonObject = {};
    for (const f of fields) {
        if (f.fallback !== undefined && f.fallback !== null) input[f.name] = f.fallback;
        else if (f.required) input[f.name] = sampleOf(f);
    }
    return input;
}

function sampleOf(f: Field): Json {
    switch (f.kind) {
        case 'integer':
        case 'number':
            return f.min ?? 1;
        case 'boolean':
            return false;
        case 'choice':
            return f.choices?.[0] ?? '';
        case 'file':
            return 'https://example.com/input.png';
        case 'list':
            return f.item ? [sampleOf(f.item)] : [];
        case 'json':
            return {};
        case 'secret':
            return 'your secret';
        default:
            return '…';
    }
}
