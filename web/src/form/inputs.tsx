// SPDX-License-Identifier: Apache-2.0
// One control for each kind of field.
import { useId } from 'preact/hooks';
import { Button } from '../ui/button';
import { Checkbox, Field as Labelled, Select, TextField, type ControlProps } from '../ui/field';
import { FileInput } from './file';
import type { Field } from './schema';
import { entryOf, stepOf, type Entry } from './value';

interface CommonProps {
    field: Field;
    problem: string | undefined;
    onEntry: (entry: Entry) => void;
    onUpload: (change: number) => void;
}

// What the schema says of a field, in words below it.
function helpOf(f: Field): string | undefined {
    const parts = [f.help, f.deprecated ? 'Deprecated.' : ''];
    const number = f.kind === 'integer' || f.kind === 'number';
    if (number && f.min !== undefined && f.max !== undefined) parts.push(`${f.min} to ${f.max}.`);
    else if (number && f.min !== undefined) parts.push(`At least ${f.min}.`);
    else if (number && f.max !== undefined) parts.push(`At most ${f.max}.`);
    const said = parts.filter(Boolean).map((s) => (/[.!?…:]$/.test(s) ? s : `${s}.`)).join(' ');
    return said || undefined;
}

const shownDefault = (f: Field): string | undefined =>
    f.fallback === undefined || f.fallback === null || typeof f.fallback === 'object' ? undefined : String(f.fallback);

function NumberControl({ field, entry, onEntry, control }: {
    field: Field;
    entry: string;
    onEntry: (entry: Entry) => void;
    control: ControlProps;
}) {
    const { min, max } = field;
    const typed = (e: { currentTarget: HTMLInputElement }) => onEntry(e.currentTarget.value);
    const exact = (
        <input {...control} type="text" inputMode="decimal" value={entry} placeholder={shownDefault(field)} autoComplete="off"
            class="mono" onInput={typed} />
    );
    if (min === undefined || max === undefined || max <= min) return exact;
    // The slider repeats the number beside it, for the mouse; the keyboard and readers use the number.
    return (
        <div class="slider">
            <input type="range" tabIndex={-1} aria-hidden="true" min={min} max={max} step={stepOf(field)}
                value={entry === '' ? (shownDefault(field) ?? String(min)) : entry} onInput={typed} />
            {exact}
        </div>
    );
}

function TextControl({ field, entry, onEntry, control }: {
    field: Field;
    entry: string;
    onEntry: (entry: Entry) => void;
    control: ControlProps;
}) {
    const json = field.kind === 'json';
    return (
        <textarea {...control} rows={json ? 4 : 1} value={entry} class={json ? 'grows mono' : 'grows'}
            spellcheck={json ? false : undefined} placeholder={json ? 'JSON' : undefined}
            onInput={(e) => onEntry(e.currentTarget.value)} />
    );
}

export function OneInput({ field, entry, problem, onEntry, onUpload }: CommonProps & { entry: Entry }) {
    const about = { label: field.label, help: helpOf(field), error: problem, required: field.required, optional: !field.required };
    const text = typeof entry === 'string' ? entry : '';

    switch (field.kind) {
        case 'boolean':
            return <Checkbox label={field.label} help={helpOf(field)} error={problem} checked={entry === true} onChange={onEntry} />;
        case 'choice':
            return (
                <Select {...about} value={text} onChange={onEntry}
                    choices={(field.choices ?? []).map((c) => ({ value: JSON.stringify(c), label: String(c) }))}
                    {...(text === '' || !field.required ? { placeholder: field.required ? 'Choose one' : 'The model’s own choice' } : {})} />
            );
        case 'secret':
            return <TextField {...about} type="password" value={text} onInput={onEntry} autoComplete="new-password" />;
        case 'file':
            return <FileInput field={field} help={helpOf(field)} problem={problem} entry={text} onEntry={onEntry} onUpload={onUpload} />;
        case 'integer':
        case 'number':
            return <Labelled {...about}>{(control) => <NumberControl {...{ field, entry: text, onEntry, control }} />}</Labelled>;
        default:
            return <Labelled {...about}>{(control) => <TextControl {...{ field, entry: text, onEntry, control }} />}</Labelled>;
    }
}

// Rows of one kind. What is said of the list stands at its head; each row has its own label.
export function ListInput({ field, rows, problem, problems, onEntry, onUpload }: CommonProps & {
    rows: Entry[];
    problems: { [name: string]: string };
}) {
    const id = useId();
    const item = field.item as Field;
    const help = helpOf(field);
    const put = (i: number, entry: Entry) => onEntry(rows.map((row, n) => (n === i ? entry : row)));

    return (
        <fieldset class={`list-input${problem ? ' wrong' : ''}`} aria-describedby={help || problem ? `${id}-help` : undefined}>
            <legend>{field.label}{!field.required && <span class="faint"> optional</span>}</legend>
            {(help || problem) && (
                <div class="help" id={`${id}-help`}>
                    {help} {problem && <p class="error" role="alert">{problem}</p>}
                </div>
            )}
            {rows.map((row, i) => (
                <div class="list-row" key={i}>
                    <OneInput field={{ ...item, label: `${field.label} ${i + 1}`, required: true }} entry={row}
                        problem={problems[`${field.name}[${i}]`]} onEntry={(entry) => put(i, entry)} onUpload={onUpload} />
                    <Button small kind="quiet" label={`Remove ${field.label} ${i + 1}`}
                        onClick={() => onEntry(rows.filter((_, n) => n !== i))}>Remove</Button>
                </div>
            ))}
            <Button small onClick={() => onEntry([...rows, entryOf(item, undefined)])}
                disabled={field.maxItems !== undefined && rows.length >= field.maxItems}
                label={`Add to ${field.label}`}>Add</Button>
        </fieldset>
    );
}
