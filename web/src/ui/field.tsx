// SPDX-License-Identifier: Apache-2.0
// Fields of forms: each has a label that one sees, help below it, and the API's error for it.
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

export interface FieldProps {
    label: ComponentChildren;
    help?: ComponentChildren;
    error?: string | undefined;
    required?: boolean;
    optional?: boolean; // says so beside the label
}

// What a control must carry so that its label, help and error belong to it.
export interface ControlProps {
    id: string;
    'aria-describedby'?: string;
    'aria-invalid'?: boolean;
    required?: boolean;
}

export function Field(p: FieldProps & { children: (control: ControlProps) => ComponentChildren }) {
    const id = useId();
    const described = [p.help && `${id}-help`, p.error && `${id}-error`].filter(Boolean).join(' ');
    const control: ControlProps = { id };

    if (described) control['aria-describedby'] = described;
    if (p.error) control['aria-invalid'] = true;
    if (p.required) control.required = true;
    return (
        <div class={`field${p.error ? ' wrong' : ''}`}>
            <label for={id}>
                {p.label}
                {p.optional && <span class="faint"> optional</span>}
            </label>
            {p.children(control)}
            {p.error && <p class="error" id={`${id}-error`} role="alert">{p.error}</p>}
            {p.help && <div class="help" id={`${id}-help`}>{p.help}</div>}
        </div>
    );
}

export interface TextFieldProps extends FieldProps {
    value: string;
    onInput: (value: string) => void;
    type?: 'text' | 'password' | 'search' | 'url' | 'number' | 'date';
    placeholder?: string;
    autoComplete?: string;
    autoFocus?: boolean;
    mono?: boolean;
    min?: number;
    max?: number;
    step?: number | 'any';
    maxLength?: number;
    unit?: string; // behind the control: "seconds"
}

export function TextField(p: TextFieldProps) {
    return (
        <Field {...p}>
            {(control) => (
                <div class={p.unit ? 'with-unit' : undefined}>
                    <input {...control} type={(p.type ?? 'text') as 'text'} value={p.value} placeholder={p.placeholder} min={p.min}
                        max={p.max} step={p.step} maxLength={p.maxLength} autoComplete={p.autoComplete ?? 'off'}
                        autoFocus={p.autoFocus} spellcheck={p.mono ? false : undefined} class={p.mono ? 'mono' : undefined}
                        autoCapitalize="off" onInput={(e) => p.onInput(e.currentTarget.value)} />
                    {p.unit && <span class="unit" aria-hidden="true">{p.unit}</span>}
                </div>
            )}
        </Field>
    );
}

export function TextArea(p: FieldProps & {
    value: string;
    onInput: (value: string) => void;
    rows?: number;
    placeholder?: string;
    mono?: boolean;
}) {
    return (
        <Field {...p}>
            {(control) => (
                <textarea {...control} rows={p.rows ?? 3} value={p.value} placeholder={p.placeholder}
                    spellcheck={p.mono ? false : undefined} class={p.mono ? 'mono' : undefined}
                    onInput={(e) => p.onInput(e.currentTarget.value)} />
            )}
        </Field>
    );
}

export interface Choice {
    value: string;
    label: string;
    disabled?: boolean;
}

export function Select(p: FieldProps & {
    value: string;
    onChange: (value: string) => void;
    choices: readonly Choice[];
    placeholder?: string; // the choice of nothing yet
}) {
    return (
        <Field {...p}>
            {(control) => (
                <select {...control} value={p.value} onChange={(e) => p.onChange(e.currentTarget.value)}>
                    {p.placeholder !== undefined && <option value="">{p.placeholder}</option>}
                    {p.choices.map((c) => <option key={c.value} value={c.value} disabled={c.disabled}>{c.label}</option>)}
                </select>
            )}
        </Field>
    );
}

// A range with the number beside it: the slider for the mouse, the number for what is exact.
export function Slider(p: FieldProps & {
    value: number;
    onInput: (value: number) => void;
    min: number;
    max: number;
    step?: number | 'any';
    unit?: string;
}) {
    const take = (text: string) => {
        const n = Number(text);
        if (text !== '' && Number.isFinite(n)) p.onInput(n);
    };

    return (
        <Field {...p}>
            {(control) => (
                <div class="slider">
                    <input type="range" tabIndex={-1} aria-hidden="true" min={p.min} max={p.max} step={p.step ?? 1}
                        value={p.value} onInput={(e) => take(e.currentTarget.value)} />
                    <input {...control} type="number" min={p.min} max={p.max} step={p.step ?? 1} value={p.value}
                        onInput={(e) => take(e.currentTarget.value)} />
                    {p.unit && <span class="unit" aria-hidden="true">{p.unit}</span>}
                </div>
            )}
        </Field>
    );
}

export function Checkbox(p: {
    label: ComponentChildren;
    help?: ComponentChildren;
    checked: boolean;
    onChange: (checked: boolean) => void;
    error?: string | undefined;
}) {
    const id = useId();

    return (
        <div class={`field check${p.error ? ' wrong' : ''}`}>
            <input id={id} type="checkbox" checked={p.checked} aria-invalid={p.error ? true : undefined}
                aria-describedby={p.help || p.error ? `${id}-help` : undefined}
                onChange={(e) => p.onChange(e.currentTarget.checked)} />
            <label for={id}>{p.label}</label>
            {(p.help || p.error) && <div class={p.error ? 'error' : 'help'} id={`${id}-help`}>{p.error ?? p.help}</div>}
        </div>
    );
}
