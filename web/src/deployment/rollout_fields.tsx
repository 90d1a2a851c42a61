// SPDX-License-Identifier: Apache-2.0
// How new releases begin: with everything, as a canary, or as a shadow; and the terms of that.
import { Select, TextField } from '../ui/field';
import type { Settings, Way } from './settings_form';

interface Term {
    key: string;
    label: string;
    unit?: string;
    help: string;
}

const TERMS: Record<Exclude<Way, ''>, readonly Term[]> = {
    canary: [
        { key: 'share', label: 'Share', unit: '%', help: 'Of the new predictions.' },
        { key: 'seconds', label: 'For', unit: 'seconds', help: 'From the moment it is ready.' },
        { key: 'max_error_rate', label: 'Halt above errors of', unit: '%', help: 'Of its predictions, unless the old release fails as often.' },
        { key: 'max_latency_ratio', label: 'Halt above run times of', unit: '× old', help: 'Half of its predictions against half of the old release’s.' },
        { key: 'min_requests', label: 'Judge from', unit: 'predictions', help: 'Fewer say nothing.' },
    ],
    shadow: [
        { key: 'share', label: 'Share', unit: '%', help: 'Of the predictions, those that are copied.' },
        { key: 'seconds', label: 'For', unit: 'seconds', help: 'From the moment it is ready.' },
        { key: 'relative_tolerance', label: 'Relative tolerance', help: 'Numbers are the same that are apart by this share of the larger one (0.01: a hundredth),' },
        { key: 'absolute_tolerance', label: 'Absolute tolerance', help: 'or by this much.' },
        { key: 'max_copies', label: 'Copies at a time', unit: 'copies', help: 'What finds no place is not copied.' },
    ],
};
const WAYS: readonly { value: Way; label: string; help: string }[] = [
    { value: '', label: 'with all predictions', help: 'A new version or other hardware takes over once an instance of it is ready.' },
    { value: 'canary', label: 'as a canary', help: 'A new version or other hardware has a share of the predictions first, and all of them when that went well.' },
    { value: 'shadow', label: 'as a shadow', help: 'A new version or other hardware answers copies of predictions first. Its answers are compared and shown to nobody, until you promote it.' },
];
export const ROLLOUT_NAMES = Object.entries(TERMS).flatMap(([way, terms]) => terms.map((t) => `rollout.${way}.${t.key}`));

export function RolloutFields({ form, errors, onChange }: {
    form: Settings;
    errors: ReadonlyMap<string, string>;
    onChange: (change: Partial<Settings>) => void;
}) {
    const { way } = form;
    const terms: Record<string, string> = way ? form.terms[way] : {};

    return (
        <>
            <Select label="New releases begin" value={way} choices={WAYS} onChange={(value) => onChange({ way: value as Way })}
                help={WAYS.find((w) => w.value === way)?.help} />
            {way && (
                <div class="fields two">
                    {TERMS[way].map(({ key, ...field }) => (
                        <TextField key={`${way} ${key}`} {...field} type="number" min={0} step="any" value={terms[key] ?? ''} error={errors.get(`rollout.${way}.${key}`)}
                            onInput={(text) => onChange({ terms: { ...form.terms, [way]: { ...terms, [key]: text } } })} />
                    ))}
                </div>
            )}
        </>
    );
}
