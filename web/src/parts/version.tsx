// SPDX-License-Identifier: Apache-2.0
// The choice of a model's version, latest first.
import { relativeTime } from '../format/time';
import { path } from '../router';
import type { Version } from '../types';
import { splitRef } from '../format/name';
import { Button } from '../ui/button';
import { Select } from '../ui/field';
import { usePages, type Pages } from './pages';

export function useVersions(model: string) {
    const ref = splitRef(model);
    return usePages<Version>(ref && path`/v1/models/${ref.owner}/${ref.name}/versions`, { live: 'build', gather: 1000 });
}

export function versionLabel(v: Version, i: number, now: number): string {
    return `${v.id.slice(0, 8)} · ${relativeTime(Date.parse(v.created_at), now)}${i === 0 ? ' · latest' : ''}`;
}

export function VersionSelect({ model, versions, value, onChange, error }: {
    model: string; // owner/name
    versions: Pages<Version>; // of it
    value: string;
    onChange: (id: string) => void;
    error?: string | undefined;
}) {
    const now = Date.now();
    const all = versions.all ?? [];
    const choices = all.map((v, i) => ({ value: v.id, label: versionLabel(v, i, now) }));

    if (value && !all.some((v) => v.id === value)) choices.push({ value, label: `${value.slice(0, 8)} (older)` });
    return (
        <div>
            <Select label="Version" value={value} onChange={onChange} error={error} required choices={choices}
                {...(value ? {} : { placeholder: !splitRef(model) ? 'Choose a model first' : versions.all ? 'Choose a version' : versions.error ? 'Not known' : 'Loading…' })}
                help={versions.error ? `The versions could not be loaded: ${versions.error.message}`
                    : versions.all?.length === 0 ? 'This model has no version yet. Push one first.'
                    : value ? <>Full id: <code>{value}</code></> : undefined} />
            {(versions.more || versions.error) && (
                <Button small kind="quiet" busy={versions.busy} onClick={versions.more ?? versions.first.reload}>
                    {versions.error ? 'Load the versions again' : 'Show older versions'}
                </Button>
            )}
        </div>
    );
}
