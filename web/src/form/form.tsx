// SPDX-License-Identifier: Apache-2.0
// The form of a version's inputs. It keeps nothing: entries and problems are its page's.
import { ListInput, OneInput } from './inputs';
import { isObject, type Field } from './schema';
import type { Entries, Entry, Read } from './value';

export interface InputFormProps {
    fields: Field[];
    entries: Entries;
    problems: Read['problems'];
    onEntry: (name: string, entry: Entry) => void;
    // Files that are on their way to the server: +1 as one begins, -1 as it ends.
    onUpload: (change: number) => void;
}

export function InputForm(p: InputFormProps) {
    if (p.fields.length === 0) return <p class="faint">This version takes no input.</p>;
    return (
        <div class="input-form">
            {p.fields.map((field) => {
                const entry = p.entries[field.name] ?? '';
                const common = {
                    field,
                    problem: p.problems[field.name],
                    onEntry: (e: Entry) => p.onEntry(field.name, e),
                    onUpload: p.onUpload,
                };
                if (field.kind !== 'list') return <OneInput key={field.name} {...common} entry={isObject(entry) ? '' : entry} />;
                return <ListInput key={field.name} {...common} rows={Array.isArray(entry) ? entry : []} problems={p.problems} />;
            })}
        </div>
    );
}
