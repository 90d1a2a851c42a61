// SPDX-License-Identifier: Apache-2.0
// As much of Markdown as a model's readme needs, as a tree: headings, paragraphs, lists, quotes,
// code, tables; emphasis, code, links. What is not understood stays text, HTML too. Pure.

export type Inline =
    | { kind: 'text' | 'code' | 'strong' | 'em'; text: string }
    | { kind: 'link'; text: string; href: string };

export type Block =
    | { kind: 'heading'; level: number; text: Inline[] }
    | { kind: 'paragraph' | 'quote'; text: Inline[] }
    | { kind: 'list'; ordered: boolean; start: number; items: Inline[][] }
    | { kind: 'code'; text: string }
    | { kind: 'table'; head: Inline[][]; rows: Inline[][][] }
    | { kind: 'rule' };

// Images are links too: those of other hosts are not loaded, since nothing here asks other hosts.
const INLINE = /(`+)(.+?)\1(?!`)|!?\[([^\]\n]*)\]\(\s*<?((?:[^()\s>]|\([^()\s]*\))+)>?(?:\s+"[^"]*")?\s*\)|<(https?:\/\/[^>\s]+)>|\*\*(.+?)\*\*|__(.+?)__|\*([^*\n]+)\*|\b_([^_\n]+)_\b|(https?:\/\/[^\s<>()[\]]*[^\s<>()[\].,;:!?'"])/g;

export function parseInline(text: string): Inline[] {
    const out: Inline[] = [];
    let done = 0;
    const plain = (to: number) => {
        if (to > done) out.push({ kind: 'text', text: text.slice(done, to) });
    };

    for (const m of text.matchAll(INLINE)) {
        const [all, , code, label, to, angle, strong1, strong2, em1, em2, bare] = m;
        const href = safeLink(to ?? angle ?? bare);
        plain(m.index);
        done = m.index + all.length;
        if (code !== undefined) out.push({ kind: 'code', text: code.replace(/^ (.*) $/, '$1') });
        else if (href) out.push({ kind: 'link', text: label || href, href });
        else if (strong1 ?? strong2) out.push({ kind: 'strong', text: (strong1 ?? strong2)! });
        else if (em1 ?? em2) out.push({ kind: 'em', text: (em1 ?? em2)! });
        else out.push({ kind: 'text', text: label ?? all });
    }
    plain(text.length);
    return out;
}

// Only addresses of the web and of people; "javascript:" and its like are text.
export function safeLink(href: string | undefined): string | null {
    return href && /^(https?:\/\/|mailto:)/i.test(href) ? href : null;
}

const cells = (line: string): Inline[][] =>
    line.trim().replace(/^\||\|$/g, '').split('|').map((c) => parseInline(c.trim()));

export function parseMarkdown(source: string): Block[] {
    const lines = source.replace(/\r\n?/g, '\n').replace(/^---\n[\s\S]*?\n---\n/, '').split('\n');
    const blocks: Block[] = [];
    let at = 0;
    const take = (more: (line: string) => boolean): string[] => {
        const from = at;
        while (at < lines.length && more(lines[at]!)) at++;
        return lines.slice(from, at);
    };

    while (at < lines.length) {
        const line = lines[at]!;
        const fence = /^\s*(```+|~~~+)/.exec(line)?.[1];
        const heading = /^(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
        const item = ITEM.exec(line);

        if (!line.trim()) {
            at++;
        } else if (fence) {
            at++;
            blocks.push({ kind: 'code', text: take((l) => !l.trim().startsWith(fence)).join('\n') });
            at++;
        } else if (heading) {
            at++;
            blocks.push({ kind: 'heading', level: heading[1]!.length, text: parseInline(heading[2]!) });
        } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
            at++;
            blocks.push({ kind: 'rule' });
        } else if (/^ {4}|^\t/.test(line)) {
            blocks.push({ kind: 'code', text: take((l) => /^ {4}|^\t/.test(l)).map((l) => l.replace(/^ {4}|^\t/, '')).join('\n') });
        } else if (item) {
            const items: string[] = [];
            const ordered = isOrdered(item[1]) === true;
            // An empty line between items does not end the list: their numbers go on.
            const goesOn = (l: string) => {
                if (l.trim() === '') return isOrdered(ITEM.exec(lines[at + 1] ?? '')?.[1]) === ordered;
                const own = ITEM.exec(l);
                return own ? /^\s/.test(l) || isOrdered(own[1]) === ordered : /^\s/.test(l) || !startsBlock(l);
            };
            for (const l of take(goesOn)) {
                const own = ITEM.exec(l);
                if (own) items.push(own[2]!);
                else if (l.trim() !== '') items[items.length - 1] += ` ${l.trim()}`;
            }
            blocks.push({ kind: 'list', ordered, start: ordered ? parseInt(item[1]!, 10) : 1, items: items.map(parseInline) });
        } else if (/^\s*>/.test(line)) {
            blocks.push({ kind: 'quote', text: parseInline(take((l) => /^\s*>/.test(l)).map((l) => l.replace(/^\s*>\s?/, '')).join(' ')) });
        } else if (line.includes('|') && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[at + 1] ?? '')) {
            at += 2;
            blocks.push({ kind: 'table', head: cells(line), rows: take((l) => l.includes('|')).map(cells) });
        } else {
            at++; // whatever it begins with: every round goes on by a line
            const more = take((l) => l.trim() !== '' && !startsBlock(l));
            blocks.push({ kind: 'paragraph', text: parseInline([line, ...more].map((l) => l.trim()).join(' ')) });
        }
    }
    return blocks;
}

const ITEM = /^\s*([-*+]|\d{1,9}[.)])\s+(.*)$/;

// Undefined where there is no item.
function isOrdered(mark: string | undefined): boolean | undefined {
    return mark === undefined ? undefined : /\d/.test(mark);
}

function startsBlock(line: string): boolean {
    return /^(#{1,6}\s|\s*>|\s*(```|~~~))/.test(line) || ITEM.test(line);
}
