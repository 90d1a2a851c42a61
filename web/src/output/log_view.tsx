// SPDX-License-Identifier: Apache-2.0
// A log with its progress bars. It stays at its end while somebody reads there, and lets go as soon
// as they scroll up.
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { CopyButton } from '../ui/code';
import { readLog, type Bar } from './log';

const MAX_LINES = 2000; // more makes browsers slow; the whole can be copied

function ProgressBar({ bar }: { bar: Bar }) {
    return (
        <div class="log-bar">
            <span>{bar.label || 'Progress'}</span>
            <progress max={100} value={bar.percent} aria-label={bar.label || 'Progress'} />
            <span class="number">{Math.round(bar.percent)} %</span>
            <span class="faint">{bar.detail}</span>
        </div>
    );
}

export function LogView({ text, label, empty = 'Nothing was logged.' }: {
    text: string;
    label: string;
    empty?: string;
}) {
    const box = useRef<HTMLDivElement>(null);
    const atEnd = useRef(true);
    const lines = useMemo(() => readLog(text), [text]);
    const left = Math.max(lines.length - MAX_LINES, 0);

    useLayoutEffect(() => {
        if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
    }, [text]);
    if (lines.length === 0) return <p class="faint">{empty}</p>;
    return (
        <div class="log">
            <div class="log-head"><span class="faint">{label}</span><CopyButton text={text} what={label} /></div>
            <div class="log-lines" ref={box} tabIndex={0} role="log" aria-label={label} aria-live="off"
                onScroll={(e) => {
                    const b = e.currentTarget;
                    atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < 24;
                }}>
                {left > 0 && <p class="faint">{left} earlier lines are not shown; Copy has them.</p>}
                {lines.slice(left).map((line, i) => line.bar
                    ? <ProgressBar key={left + i} bar={line.bar} />
                    : <div class="log-line" key={left + i}>{line.text || '\u00a0'}</div>)}
            </div>
        </div>
    );
}
