// SPDX-License-Identifier: Apache-2.0
// Text of machines: code that can be copied, and JSON that can be read.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button } from './button';

// Also where the page came over plain http from another machine, where browsers give no clipboard.
async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        area.className = 'visually-hidden';
        document.body.append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        return done;
    }
}

export function CopyButton({ text, what }: { text: string; what: string }) {
    const [said, setSaid] = useState<'' | 'Copied' | 'Not copied'>('');
    const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

    useEffect(() => () => clearTimeout(timer.current), []);
    const copy = async () => {
        setSaid((await copyText(text)) ? 'Copied' : 'Not copied');
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setSaid(''), 2000);
    };
    return (
        <>
            <Button small kind="quiet" label={`Copy ${what}`} onClick={copy}>{said || 'Copy'}</Button>
            <span class="visually-hidden" role="status">{said}</span>
        </>
    );
}

export function Code({ text, label }: { text: string; label: string }) {
    return (
        <div class="code">
            <div class="code-head">
                <span>{label}</span>
                <CopyButton text={text} what={label} />
            </div>
            <pre tabIndex={0} aria-label={label}><code>{text}</code></pre>
        </div>
    );
}

// JSON as a tree that opens and closes; long lists open in pieces so that no page stands still.
export function Json({ value, name, open = true, last = true }: {
    value: unknown;
    name?: string;
    open?: boolean;
    last?: boolean;
}) {
    const key = name === undefined ? null : <span class="json-key">{JSON.stringify(name)}: </span>;
    const [shown, setShown] = useState(100);
    const comma = last ? '' : ',';

    if (typeof value !== 'object' || value === null)
        return <div class="json-row">{key}<span class={`json-${value === null ? 'null' : typeof value}`}>{JSON.stringify(value)}</span>{comma}</div>;
    const entries: [string | undefined, unknown][] = Array.isArray(value) ? value.map((v) => [undefined, v]) : Object.entries(value);
    const [left, right] = Array.isArray(value) ? '[]' : '{}';
    if (entries.length === 0) return <div class="json-row">{key}{left}{right}{comma}</div>;
    return (
        <details class="json" open={open}>
            <summary>{key}{left}<span class="faint"> {entries.length} </span><span class="json-closed">… {right}{comma}</span></summary>
            <div class="json-body">
                {entries.slice(0, shown).map(([k, v], i) => (
                    <Json key={k ?? i} value={v} {...(k === undefined ? {} : { name: k })} open={entries.length < 20} last={i === entries.length - 1} />
                ))}
                {entries.length > shown && <Button small kind="quiet" onClick={() => setShown(shown + 500)}>Show {entries.length - shown} more</Button>}
            </div>
            <div class="json-row">{right}{comma}</div>
        </details>
    );
}
