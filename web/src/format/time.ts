// SPDX-License-Identifier: Apache-2.0
// Times and durations as people read them. Pure: the present moment is an argument.

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
    [31_557_600, 'year'],
    [2_629_800, 'month'],
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
];

// "just now", "3 minutes ago", "in 2 hours". Clocks of browser and server differ a little, so that
// what lies less than ten seconds away, before or behind, is now.
export function relativeTime(at: number, now: number): string {
    const seconds = (now - at) / 1000;
    const far = Math.abs(seconds);

    if (!Number.isFinite(far)) return 'unknown';
    if (far < 10) return 'just now';
    if (far < 60) return seconds > 0 ? `${Math.floor(far)} s ago` : `in ${Math.ceil(far)} s`;
    for (const [size, name] of UNITS) {
        if (far < size) continue;
        const n = Math.floor(far / size);
        const text = `${n} ${name}${n === 1 ? '' : 's'}`;
        return seconds > 0 ? `${text} ago` : `in ${text}`;
    }
    return 'just now';
}

// The exact time, where the reader is, with its zone.
export function exactTime(at: number): string {
    if (!Number.isFinite(at)) return 'unknown';
    return new Intl.DateTimeFormat(undefined, {
        year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit',
        second: '2-digit', timeZoneName: 'short',
    }).format(at);
}

// A sentence of the server's with its moments as the reader's clock has them.
export function withTimes(sentence: string): string {
    return sentence.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (at) => exactTime(Date.parse(at)));
}

// A day of the ledger ("2026-11-23"): days are UTC and stay so.
export function dayText(date: string): string {
    const at = Date.parse(`${date}T00:00:00Z`);

    if (!Number.isFinite(at)) return date;
    return new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(at);
}

// "0.25 s", "12.3 s", "4 min 5 s", "2 h 3 min", "3 d 4 h": two units at most.
export function durationText(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
    if (seconds < 0) return `-${durationText(-seconds)}`;
    if (seconds < 0.001) return seconds === 0 ? '0 s' : '< 1 ms';
    if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
    if (seconds < 59.95) return `${seconds.toFixed(1)} s`;

    const whole = Math.round(seconds);
    const pairs: [number, string, number, string][] = [
        [86_400, 'd', 3_600, 'h'],
        [3_600, 'h', 60, 'min'],
        [60, 'min', 1, 's'],
    ];
    for (const [big, bigName, small, smallName] of pairs) {
        if (whole < big) continue;
        const rest = Math.floor((whole % big) / small);
        return rest ? `${Math.floor(whole / big)} ${bigName} ${rest} ${smallName}` : `${Math.floor(whole / big)} ${bigName}`;
    }
    return `${whole} s`;
}
