// SPDX-License-Identifier: Apache-2.0
// The choice of a model's version, latest first.
import { relativeTime } from '../format/time';
import { path } from '../router';
import { useQuery } from '../query';
import type { Page } from '../api';
import type { Version } from '../types';
import { splitRef } from '../format/name';
import { Select } from '../ui/field';


export function useVersions(model: string) {
    const ref = splitRef(model);
    return useQuery<Page<Version>>(ref && path`/v1/models/${ref.owner}/${ref.name}/versions`, { live: 'build', gather: 1000 });
}

export function versionLabel(v: Version, i: number, now: number): string {
    return `${v.id.slice(0, 8)} · ${relativeTime(Date.parse(v.created_at), now)}${i === 0 ? ' · latest' : ''}`;
}

export function VersionSelect({ model, value, onChange, error }: {
    model: string; // owner/name
    value: string;
    onChange: (id: string) => void;
    error?: string | undefined;
}) {
    const versions = useVersions(model);
    const now = Date.now();
    const all = versions.data?.results ?? [];
    const choices = all.map((v, i) => ({ value: v.id, label: versionLabel(v, i, now) }));

    if (value && !all.some((v) => v.id === value)) choices.push({ value, label: `${value.slice(0, 8)} (older)` });
    return (
        <Select label="Version" value={value} onChange={onChange} error={error} required choices={choices}
            {...(value ? {} : { placeholder: !splitRef(model) ? 'Choose a model first' : versions.data ? 'Choose a version' : versions.error ? 'Not known' : 'Loading…' })}
            help={versions.error ? `The versions could not be loaded: ${versions.error.message}`
                : versions.data && all.length === 0 ? 'This model has no version yet. Push one first.'
                : value ? <>Full id: <code>{value}</code></> : undefined} />
    );
}
