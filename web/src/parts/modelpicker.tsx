// SPDX-License-Identifier: Apache-2.0
// The choice of a model by typing: a list below the field, moved in with the arrow keys, which brings more where there is more.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Model } from '../types';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { splitRef } from '../format/name';
import { useModels, type Pages } from './pages';

const PAUSE = 150;
const NEAR = 80; // pixels before the list's end

// All models while nothing is typed, else what the search finds.
function useFound(text: string): Pages<Model> {
    const [words, setWords] = useState(text);

    useEffect(() => {
        const timer = setTimeout(() => setWords(text), PAUSE);
        return () => clearTimeout(timer);
    }, [text]);
    const found = useModels(words.trim().replace('/', ' '));
    const last = useRef<Model[] | undefined>(undefined);
    const answered = found.all !== undefined && text === words;

    useEffect(() => {
        if (found.all) last.current = found.all;
    });
    // Until the answer is there, what was typed is looked for in the one before it, so that Enter takes no other model.
    return answered ? found : { ...found, all: (found.all ?? last.current)?.filter((m) => fits(m, text)), more: undefined };
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
    const { first, all, error: failed, more, busy } = useFound(text === value ? '' : text);
    const list = all ?? [];
    const options = useRef<HTMLUListElement>(null);

    useEffect(() => setText(value), [value]);
    useEffect(() => setAt(0), [text]);
    useEffect(() => options.current?.children[at]?.scrollIntoView({ block: 'nearest' }), [at]);
    const take = (ref: string) => {
        setText(ref);
        setOpen(false);
        onChange(ref);
    };
    const keys = (e: KeyboardEvent) => {
        if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
            e.preventDefault();
            setOpen(true);
            const to = at + (e.key === 'ArrowDown' ? 1 : -1);
            if (open && to === list.length && more) more(); // and stay; the next key goes on in what has come
            else if (list.length > 0) setAt((to + list.length) % list.length);
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
                        <div class="picker-list" onScroll={({ currentTarget: box }) => {
                            if (more && !busy && !failed && box.scrollTop + box.clientHeight > box.scrollHeight - NEAR) more();
                        }}>
                            <ul role="listbox" ref={options} id={`${control.id}-list`} aria-label="Search results">
                                {list.map((m, i) => (
                                    <li key={m.url} id={`${control.id}-${i}`} role="option" aria-selected={i === at}
                                        onMouseDown={(e) => e.preventDefault()} onMouseMove={() => i === at || setAt(i)}
                                        onClick={() => take(`${m.owner}/${m.name}`)}>
                                        <strong>{m.owner}/{m.name}</strong>
                                        <span class="muted">{m.description || 'No description'}</span>
                                    </li>
                                ))}
                            </ul>
                            {list.length > 0 && more && (
                                <div class="actions" onMouseDown={(e) => e.preventDefault()}>
                                    <Button small kind="quiet" busy={busy} onClick={more}>Show more models</Button>
                                    {failed && <span class="muted" role="status">{failed.message}</span>}
                                </div>
                            )}
                            {list.length === 0 && (
                                <p class="muted" role={failed && 'alert'} onMouseDown={(e) => e.preventDefault()}>
                                    {failed ? <>{failed.message} <Button small onClick={first.reload}>Try again</Button></> : all ? 'No models found. Push one with “berth push”.' : 'Searching…'}
                                </p>
                            )}
                        </div>
                    )}
                </div>
            )}
        </Field>
    );
}
