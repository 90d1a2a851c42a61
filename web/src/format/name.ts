// SPDX-License-Identifier: Apache-2.0
// The rule of names of deployments and models, told part by part while one types. The server has
// the last word; this only spares a round.

export interface Rule {
    text: string;
    ok: boolean;
}

export function nameRules(name: string): Rule[] {
    return [
        { text: 'lower-case letters, digits, dots, underscores and hyphens', ok: /^[a-z0-9._-]+$/.test(name) },
        { text: 'begins and ends with a letter or digit', ok: /^[a-z0-9](.*[a-z0-9])?$/.test(name) },
        { text: '1 to 64 characters', ok: name.length >= 1 && name.length <= 64 },
    ];
}

export function nameOk(name: string): boolean {
    return nameRules(name).every((r) => r.ok);
}

// "acme/hello" apart; null where it is not two names.
export function splitRef(ref: string): { owner: string; name: string } | null {
    const [owner, name, more] = ref.split('/');
    return owner && name && more === undefined ? { owner, name } : null;
}
