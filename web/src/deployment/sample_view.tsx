// SPDX-License-Identifier: Apache-2.0
// The code that runs a deployment, one language at a time.
import { useId, useRef, useState } from 'preact/hooks';
import type { JsonObject } from '../form/schema';
import type { Deployment } from '../types';
import { Code } from '../ui/code';
import { samplesOf } from './samples';

const CHOICE = 'berth-language';

function remembered(): string {
    try {
        return localStorage.getItem(CHOICE) ?? 'curl';
    } catch {
        return 'curl';
    }
}

function remember(id: string): void {
    try {
        localStorage.setItem(CHOICE, id);
    } catch {
        // a browser that keeps nothing: the choice lasts as long as the page
    }
}

export function Samples({ deployment: d, input, streams }: {
    deployment: Deployment;
    input: JsonObject;
    streams: boolean;
}) {
    const samples = samplesOf({ base: window.location.origin, owner: d.owner, name: d.name, input, streams });
    const [chosen, setChosen] = useState(remembered);
    const list = useRef<HTMLDivElement>(null);
    const id = useId();
    const at = Math.max(samples.findIndex((s) => s.id === chosen), 0);
    const sample = samples[at];
    const choose = (i: number) => {
        const next = samples[(i + samples.length) % samples.length];
        if (!next) return;
        setChosen(next.id);
        remember(next.id);
        list.current?.querySelector<HTMLElement>(`#${CSS.escape(`${id}-${next.id}`)}`)?.focus();
    };
    const key = (event: KeyboardEvent) => {
        if (event.key === 'ArrowRight') choose(at + 1);
        else if (event.key === 'ArrowLeft') choose(at - 1);
        else return;
        event.preventDefault();
    };

    if (!sample) return null;
    return (
        <div class="samples">
            <div role="tablist" aria-label="Language" class="pills" ref={list} onKeyDown={key}>
                {samples.map((s, i) => (
                    <button key={s.id} id={`${id}-${s.id}`} type="button" role="tab" aria-selected={i === at} aria-controls={`${id}-panel`}
                        tabIndex={i === at ? 0 : -1} onClick={() => choose(i)}>{s.title}</button>
                ))}
            </div>
            <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${sample.id}`} class="stack">
                {sample.install && <Code text={sample.install} label="Install the client" />}
                <Code text={sample.code} label={sample.title} />
            </div>
        </div>
    );
}
