// SPDX-License-Identifier: Apache-2.0
// Whether new releases begin as canaries, and when one is halted.
import type { CanaryTerms } from '../types';
import { Checkbox, TextField } from '../ui/field';
import type { Settings } from './settings_form';

const FIELDS: readonly { key: keyof CanaryTerms; label: string; unit: string; help: string }[] = [
    { key: 'share', label: 'Share', unit: '%', help: 'Of the new predictions.' },
    { key: 'seconds', label: 'For', unit: 'seconds', help: 'From the moment it is ready.' },
    { key: 'max_error_rate', label: 'Halt above errors of', unit: '%', help: 'Of its predictions, unless the old release fails as often.' },
    { key: 'max_latency_ratio', label: 'Halt above run times of', unit: '× old', help: 'Half of its predictions against half of the old release’s.' },
    { key: 'min_requests', label: 'Judge from', unit: 'predictions', help: 'Fewer say nothing.' },
];
export const CANARY_NAMES = FIELDS.map((f) => `rollout.canary.${f.key}`);

export function CanaryFields({ form, errors, onChange }: {
    form: Settings;
    errors: ReadonlyMap<string, string>;
    onChange: (change: Partial<Settings>) => void;
}) {
    return (
        <>
            <Checkbox label="Begin new releases as a canary" checked={form.canary} onChange={(canary) => onChange({ canary })}
                help="A new version or other hardware has a share of the predictions first, and all of them when that went well." />
            {form.canary && (
                <div class="fields two">
                    {FIELDS.map(({ key, ...field }) => (
                        <TextField key={key} {...field} type="number" min={0} step="any" value={form.terms[key]} error={errors.get(`rollout.canary.${key}`)}
                            onInput={(text) => onChange({ terms: { ...form.terms, [key]: text } })} />
                    ))}
                </div>
            )}
        </>
    );
}
