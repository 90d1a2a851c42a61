// SPDX-License-Identifier: Apache-2.0
// From the OpenAPI document of a version to the fields of its form. Pure: a document in, fields
// out. What a schema says in a way that no field fits becomes a field for JSON, never nothing.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Kind =
    | 'text' | 'secret' | 'number' | 'integer' | 'boolean' | 'choice' | 'file' | 'list' | 'json';

export interface Field {
    name: string;
    label: string;
    help: string;
    kind: Kind;
    required: boolean;
    // undefined where there is none; null is a default like others.
    fallback: Json | undefined;
    min?: number;
    max?: number;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    // A choice's values, in the order of the schema.
    choices?: Json[];
    // What a list is of.
    item?: Field;
    minItems?: number;
    maxItems?: number;
    // What a file may be, as <input accept> says it.
    accept?: string;
    deprecated: boolean;
}

const MAX_REFERENCES = 20; // a document may refer to itself in a circle

export function isObject(v: unknown): v is JsonObject {
    return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function follow(doc: unknown, ref: string): Json | undefined {
    let at: unknown = doc;
    if (!ref.startsWith('#/')) return undefined;
    for (const part of ref.slice(2).split('/')) {
        if (!isObject(at)) return undefined;
        at = at[part.replaceAll('~1', '/').replaceAll('~0', '~')];
    }
    return at as Json | undefined;
}

const isNullType = (s: Json): boolean => isObject(s) && s.type === 'null';

// The schema with its references followed and what `allOf` and an optional's `anyOf` hold merged
// into it; the outer keys win, since a field's own help stands beside the reference.
export function flatten(doc: unknown, schema: unknown): JsonObject {
    let s = isObject(schema) ? schema : {};
    for (let i = 0; i < MAX_REFERENCES; i++) {
        const ref: Json | undefined = s.$ref;
        const all: Json | undefined = s.allOf;
        const any: Json | undefined = s.anyOf ?? s.oneOf;
        if (typeof ref === 'string') {
            const { $ref: _, ...rest } = s;
            const to = follow(doc, ref);
            s = { ...(isObject(to) ? to : {}), ...rest };
        } else if (Array.isArray(all) && all.length > 0) {
            const { allOf: _, ...rest } = s;
            s = { ...Object.assign({}, ...all.map((one) => flatten(doc, one))), ...rest };
        } else if (Array.isArray(any) && any.some(isNullType)) {
            const others = any.filter((one) => !isNullType(one));
            const { anyOf: _a, oneOf: _o, ...rest } = s;
            const only = others.length === 1 ? flatten(doc, others[0]) : { anyOf: others };
            s = { ...only, ...rest, nullable: true };
        } else {
            break;
        }
    }
    return s;
}

const finite = (v: Json | undefined): number | undefined =>
    typeof v === 'number' && Number.isFinite(v) ? v : undefined;

const text = (v: Json | undefined): string | undefined => (typeof v === 'string' ? v : undefined);

function typeOf(s: JsonObject): string {
    const t = Array.isArray(s.type) ? s.type.filter((one) => one !== 'null') : [s.type];
    return t.length === 1 && typeof t[0] === 'string' ? t[0] : '';
}

function kindOf(s: JsonObject): Kind {
    if (Array.isArray(s.enum) && s.enum.length > 0) return 'choice';
    switch (typeOf(s)) {
        case 'string':
            if (s['x-cog-secret'] === true || s.format === 'password') return 'secret';
            return s.format === 'uri' ? 'file' : 'text';
        case 'integer':
            return 'integer';
        case 'number':
            return 'number';
        case 'boolean':
            return 'boolean';
        case 'array':
            return 'list';
        default:
            return 'json';
    }
}

// "guidance_scale" → "Guidance scale", where the schema has no title of its own.
function labelOf(name: string): string {
    const words = name.replaceAll('_', ' ').trim();
    return words ? words.charAt(0).toUpperCase() + words.slice(1) : name;
}

function lower(a: number | undefined, b: number | undefined, whole: boolean): number | undefined {
    // Exclusive bounds of whole numbers are the next ones; others are left to the server.
    return a ?? (b !== undefined && whole ? b + 1 : b);
}

function upper(a: number | undefined, b: number | undefined, whole: boolean): number | undefined {
    return a ?? (b !== undefined && whole ? b - 1 : b);
}

export function readField(doc: unknown, name: string, schema: unknown, required: boolean): Field {
    const s = flatten(doc, schema);
    const kind = kindOf(s);
    const whole = kind === 'integer';
    const field: Field = {
        name,
        label: labelOf(name),
        help: text(s.description) ?? '',
        kind,
        required: required && s.default === undefined,
        fallback: s.default,
        deprecated: s.deprecated === true,
    };
    const bounds: Partial<Field> = {
        min: lower(finite(s.minimum), finite(s.exclusiveMinimum), whole),
        max: upper(finite(s.maximum), finite(s.exclusiveMaximum), whole),
        minLength: finite(s.minLength),
        maxLength: finite(s.maxLength),
        pattern: text(s.pattern),
        minItems: finite(s.minItems),
        maxItems: finite(s.maxItems),
        accept: text(s['x-cog-accept']) ?? text(s.accept),
    };
    Object.assign(field, Object.fromEntries(Object.entries(bounds).filter(([, v]) => v !== undefined)));
    // What Cog writes of itself into each choice helps nobody.
    if (field.help === 'An enumeration.') field.help = '';
    if (kind === 'choice') field.choices = s.enum as Json[];
    if (kind === 'list') {
        const item = readField(doc, name, s.items, true);
        // Lists of lists and of objects have no rows that a person would like: JSON is shorter.
        if (item.kind === 'list' || item.kind === 'json') field.kind = 'json';
        else field.item = { ...item, label: field.label, help: '' };
    }
    return field;
}

function component(doc: unknown, name: string): Json | undefined {
    return follow(doc, `#/components/schemas/${name}`);
}

// The fields of a version's input, by x-order and then as they stand in the document.
export function readInput(doc: unknown): Field[] {
    const input = flatten(doc, component(doc, 'Input'));
    const properties = isObject(input.properties) ? input.properties : {};
    const required = Array.isArray(input.required) ? input.required : [];
    return Object.entries(properties)
        .map(([name, s], i) => ({ name, s, at: (isObject(s) && finite(s['x-order'])) ?? i }))
        .sort((a, b) => Number(a.at) - Number(b.at))
        .map(({ name, s }) => readField(doc, name, s, required.includes(name)));
}

// The schema of what a version gives out, references followed; {} where it says nothing.
export function readOutput(doc: unknown): JsonObject {
    return flatten(doc, component(doc, 'Output'));
}
