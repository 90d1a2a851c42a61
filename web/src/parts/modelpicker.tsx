// SPDX-License-Identifier: Apache-2.0
// The choice of a model by typing: a list below the field, moved in with the arrow keys.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Page } from '../api';
import { useQuery } from '../query';
import { withQuery } from '../router';
import type { Model } from '../types';
import { Field } from '../ui/field';
import { splitRef } from '../format/name';

interface Found {
    models: { model: Model }[];
}

const PAUSE = 150;
const FOUND = 50; // as many as a search answers at once

// All models while nothing is typed, else what the search finds.
function useFound(text: string): { models: Model[] | undefined; error: Error | undefined; more: boolean } {
    const [words, setWords] = useState(text);

    useEffect(() => {
        const timer = setTimeout(() => setWords(text), PAUSE);
        return () => clearTimeout(timer);
    }, [text]);
    const typed = words.trim();
    const all = useQuery<Page<Model>>(typed ? null : '/v1/models');
    const found = useQuery<Found>(typed ? withQuery('/v1/search', { query: typed.replace('/', ' '), limit: FOUND }) : null);
    const models = typed ? found.data?.models.map((m) => m.model) : all.data?.results;
    const last = useRef<Model[] | undefined>(undefined);
    const answered = models !== undefined && text === words;

    useEffect(() => {
        if (models) last.current = models;
    });
    // Until the answer is there, what was typed is looked for in the one before it, so that Enter takes no other model.
    return { models: answered ? models : (models ?? last.current)?.filter((m) => fits(m, text)), error: typed ? found.error : all.error,
        more: typed ? found.data?.models.length === FOUND : !!all.data?.next };
}

function fits(m: Model, text: string): boolean {
    const all = `${m.owner}/${m.name} ${m.description ?? ''}`.toLowerCase();
    return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

export function ModelPicker({ value, onChange, error }: {
    value: string; // owner/name, or nothing yet
    onChange: (ref: string) => void;
    error?: string | undefined;
}) {
    const [text, setText] = useState(value);
    const [open, setOpen] = useState(false);
    const [at, setAt] = useState(0);
    const box = useRef<HTMLDivElement>(null);
    const { models, error: failed, more } = useFound(text === value ? '' : text);
    const list = models ?? [];

    useEffect(() => setText(value), [value]);
    useEffect(() => setAt(0), [text]);
    const take = (ref: string) => {
        setText(ref);
        setOpen(false);
        onChange(ref);
    };
    const keys = (e: KeyboardEvent) => {
        if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
            e.preventDefault();
            setOpen(true);
            if (list.length > 0) setAt((at + (e.key === 'ArrowDown' ? 1 : -1) + list.length) % list.length);
        } else if (e.key === 'Enter' && open) {
            e.preventDefault(); // the form is not meant while the list is open
            const chosen = list[at];
            if (chosen) take(`${chosen.owner}/${chosen.name}`);
        } else if (e.key === 'Escape' && open) {
            e.preventDefault();
            setOpen(false);
        }
    };
    // Who typed the whole name and goes on has chosen it.
    const leave = (e: FocusEvent) => {
        if (box.current?.contains(e.relatedTarget as Node | null)) return;
        setOpen(false);
        if (text !== value && splitRef(text.trim())) onChange(text.trim());
        else setText(value);
    };

    return (
        <Field label="Model" required error={error} help="Search by name or description, or type owner/name.">
            {(control) => (
                <div class="picker" ref={box} onFocusOut={leave}>
                    <input {...control} type="text" role="combobox" aria-expanded={open} aria-controls={`${control.id}-list`}
                        aria-autocomplete="list" aria-activedescendant={open && list[at] ? `${control.id}-${at}` : undefined}
                        value={text} placeholder="owner/name" autoComplete="off" autoCapitalize="off" spellcheck={false}
                        onInput={(e) => { setText(e.currentTarget.value); setOpen(true); }}
                        onFocus={() => setOpen(true)} onClick={() => setOpen(true)} onKeyDown={keys} />
                    {open && (
                        <div class="picker-list">
                            <ul role="listbox" id={`${control.id}-list`} aria-label="Search results">
                                {list.map((m, i) => (
                                    <li key={m.url} id={`${control.id}-${i}`} role="option" aria-selected={i === at}
                                        onMouseDown={(e) => e.preventDefault()} onMouseMove={() => i === at || setAt(i)}
                                        onClick={() => take(`${m.owner}/${m.name}`)}>
                                        <strong>{m.owner}/{m.name}</strong>
                                        <span class="muted">{m.description || 'No description'}</span>
                                    </li>
                                ))}
                            </ul>
                            {list.length > 0 && more && <p class="muted">There are more: type a part of the name or of the description.</p>}
                            {list.length === 0 && (
                                <p class="muted">
                                    {failed ? failed.message : models ? 'No models found. Push one with “berth push”.' : 'Searching…'}
                                </p>
                            )}
                        </div>
                    )}
                </div>
            )}
        </Field>
    );
}
