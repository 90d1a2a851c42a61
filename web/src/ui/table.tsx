// SPDX-License-Identifier: Apache-2.0
// Tables. On narrow screens each row becomes a card with the columns' names; the roles keep it a
// table for those who hear it.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Button } from './button';

export interface Column<T> {
    title: string;
    cell: (row: T) => ComponentChildren;
    align?: 'right';
    head?: boolean; // names the row
    wide?: boolean; // takes the room that is left
    hideTitle?: boolean; // the column of buttons: named for those who hear it only
}

const FIRST = 40; // rows: more than a screen holds

// What nobody can see yet is drawn once the rest has been painted.
function useLength(rows: number): number {
    const [all, setAll] = useState(rows <= FIRST);

    useEffect(() => {
        if (all) return;
        const timer = setTimeout(() => setAll(true));
        return () => clearTimeout(timer);
    }, [all]);
    return all ? rows : Math.min(rows, FIRST);
}

export function Table<T>({ caption, columns, rows, keyOf, rowClass }: {
    caption: string; // for those who cannot see what stands above
    columns: readonly Column<T>[];
    rows: readonly T[];
    keyOf: (row: T) => string | number;
    rowClass?: (row: T) => string | undefined;
}) {
    const length = useLength(rows.length);

    return (
        <div class="table-box">
            <table role="table" aria-label={caption}>
                <thead role="rowgroup">
                    <tr role="row">
                        {columns.map((c) => (
                            <th key={c.title} role="columnheader" scope="col" class={c.align}>
                                {c.hideTitle ? <span class="visually-hidden">{c.title}</span> : c.title}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {rows.slice(0, length).map((row) => (
                        <tr key={keyOf(row)} role="row" class={rowClass?.(row)}>
                            {columns.map((c) => c.head
                                ? <th key={c.title} role="rowheader" scope="row" class={c.wide ? 'wide' : undefined}>{c.cell(row)}</th>
                                : (
                                    <td key={c.title} role="cell" data-title={c.hideTitle ? undefined : c.title}
                                        class={`${c.align ?? ''} ${c.wide ? 'wide' : ''}`}>
                                        {c.cell(row)}
                                    </td>
                                ))}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

// The pages of a list; the addresses are those of the API's answer.
export function Pager({ previous, next, onGo }: {
    previous: string | null;
    next: string | null;
    onGo: (address: string) => void;
}) {
    if (!previous && !next) return null;
    return (
        <nav class="pager" aria-label="Pages of the list">
            <Button disabled={!previous} onClick={() => previous && onGo(previous)}>Newer</Button>
            <Button disabled={!next} onClick={() => next && onGo(next)}>Older</Button>
        </nav>
    );
}
