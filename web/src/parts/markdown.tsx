// SPDX-License-Identifier: Apache-2.0
// A readme as elements of ours. No HTML of its author's ever becomes HTML here.
import { useMemo } from 'preact/hooks';
import { parseMarkdown, type Block, type Inline } from '../format/markdown';
import { Code } from '../ui/code';

export function Markdown({ text }: { text: string }) {
    const blocks = useMemo(() => parseMarkdown(text), [text]);
    return <div class="markdown">{blocks.map((b, i) => <One key={i} of={b} />)}</div>;
}

function One({ of: b }: { of: Block }) {
    switch (b.kind) {
        case 'heading': {
            // Below the page's own headings, so that the outline stays one.
            const H = b.level === 1 ? 'h2' : 'h3';
            return <H><Words of={b.text} /></H>;
        }
        case 'paragraph':
            return <p><Words of={b.text} /></p>;
        case 'quote':
            return <blockquote><Words of={b.text} /></blockquote>;
        case 'code':
            return <Code label="Code" text={b.text} />;
        case 'rule':
            return <hr />;
        case 'list': {
            const items = b.items.map((item, i) => <li key={i}><Words of={item} /></li>);
            return b.ordered ? <ol start={b.start}>{items}</ol> : <ul>{items}</ul>;
        }
        case 'table':
            return (
                <div class="table-scroll" tabIndex={0} role="region" aria-label="Table">
                    <table>
                        <thead><tr>{b.head.map((c, i) => <th key={i} scope="col"><Words of={c} /></th>)}</tr></thead>
                        <tbody>{b.rows.map((r, i) => <tr key={i}>{r.map((c, j) => <td key={j}><Words of={c} /></td>)}</tr>)}</tbody>
                    </table>
                </div>
            );
    }
}

function Words({ of: words }: { of: Inline[] }) {
    return (
        <>
            {words.map((w, i) => {
                switch (w.kind) {
                    case 'code': return <code key={i}>{w.text}</code>;
                    case 'strong': return <strong key={i}>{w.text}</strong>;
                    case 'em': return <em key={i}>{w.text}</em>;
                    case 'link': return <a key={i} href={w.href} rel="noreferrer nofollow" target="_blank">{w.text}</a>;
                    default: return w.text;
                }
            })}
        </>
    );
}
