// SPDX-License-Identifier: Apache-2.0
// A log's text as lines and progress bars. Pure. A carriage return writes over its line, as it does
// in a terminal, so that a bar that tqdm drew a hundred times is one bar at its last place.

export interface LogLine {
    text: string;
    bar?: Bar;
}

export interface Bar {
    label: string;
    percent: number;
    // "12/50", "00:03<00:10, 3.6it/s": what stands behind the bar.
    detail: string;
}

const COLOURS = /\u001b\[[0-9;?]*[ -/]*[@-~]/g; // terminals' escape sequences
const TQDM = /^(.*?):?\s*(\d{1,3})%\s*\|[^|]*\|\s*(.*)$/;
const PERCENT = /^(.*?)(\d{1,3}(?:\.\d+)?)\s?%(.*)$/;
const DRAWN = /[#=>█▏▎▍▌▋▊▉━─·.-]{4,}$/;
const BRACKETED = /^(.*)\[[#=>█▏▎▍▌▋▊▉━─·.\s-]{4,}\]$/;
const MAX_BAR = 400; // characters: longer lines are no bars, and would cost the expressions too much

// "label [====>   ] 52% detail", "label ━━━━ 52%".
function readPlain(line: string): Bar | undefined {
    const t = PERCENT.exec(line);
    const before = (t?.[1] ?? '').trimEnd();
    const label = BRACKETED.exec(before)?.[1] ?? (DRAWN.test(before) ? before.replace(DRAWN, '') : undefined);
    if (!t || label === undefined) return undefined;
    return { label: label.trim().replace(/:$/, ''), percent: Number(t[2]), detail: (t[3] ?? '').trim() };
}

export function readBar(line: string): Bar | undefined {
    if (line.length > MAX_BAR || !line.includes('%')) return undefined;
    const t = TQDM.exec(line);
    const bar = t ? { label: (t[1] ?? '').trim(), percent: Number(t[2]), detail: (t[3] ?? '').trim() } : readPlain(line);
    return bar && bar.percent <= 100 ? bar : undefined;
}

// What a terminal would show of one line that has carriage returns: the last text that is there.
function lastWritten(line: string): string {
    const parts = line.split('\r').filter((p) => p !== '');
    return parts[parts.length - 1] ?? '';
}

export function readLog(log: string): LogLine[] {
    const lines: LogLine[] = [];
    const clean = log.replaceAll('\r\n', '\n').replace(COLOURS, '');
    for (const raw of clean.split('\n')) {
        const text = lastWritten(raw);
        const bar = readBar(text);
        const before = lines[lines.length - 1]?.bar;
        // Where the log's way kept each state of a bar on a line of its own, they are still one.
        if (bar && before && before.label === bar.label && before.percent <= bar.percent)
            lines.pop();
        lines.push(bar ? { text, bar } : { text });
    }
    while (lines.length > 0 && lines[lines.length - 1]?.text === '') lines.pop();
    return lines;
}
