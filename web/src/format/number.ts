// SPDX-License-Identifier: Apache-2.0
// Money and counts. The server knows prices without a currency, and so does this page.

// Small amounts keep two digits that say something, larger ones two behind the point.
export function moneyText(amount: number | null | undefined): string {
    return money(amount, 2, 0.01);
}

// Prices of a second are small and must not be rounded: six digits.
export function priceText(price: number | null | undefined): string {
    return money(price, 6, 1);
}

// Below `small` the first `digits` that are not zero, else two behind the point.
function money(amount: number | null | undefined, digits: number, small: number): string {
    if (amount === null || amount === undefined || !Number.isFinite(amount)) return '–';
    if (amount < 0) return `-${money(-amount, digits, small)}`;
    if (amount === 0) return '0';
    if (amount < 0.000001) return '< 0.000001';
    if (amount < small) return trim(amount.toFixed(digits - 1 - Math.floor(Math.log10(amount))));
    if (amount < 1000) return amount.toFixed(2);
    return new Intl.NumberFormat('en', { maximumFractionDigits: 0 }).format(amount);
}

function trim(digits: string): string {
    return digits.includes('.') ? digits.replace(/0+$/, '').replace(/\.$/, '') : digits;
}

// The month of all "per month" figures: the mean one.
export const HOURS_PER_MONTH = 730.5;

export function countText(n: number | null | undefined): string {
    if (n === null || n === undefined || !Number.isFinite(n)) return '–';
    return new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(n);
}

export function plural(n: number, one: string, many = `${one}s`): string {
    return `${countText(n)} ${n === 1 ? one : many}`;
}

// Why a text is no count of instances; undefined where it is one.
export function countProblem(text: string): string | undefined {
    return /^\d{1,9}$/.test(text.trim()) ? undefined : 'A whole number is needed, 0 or more.';
}

export function bytesText(n: number | null | undefined): string {
    if (n === null || n === undefined || !Number.isFinite(n)) return '–';
    for (const [size, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']] as const)
        if (n >= size) return `${trim((n / size).toFixed(n / size < 10 ? 1 : 0))} ${unit}`;
    return `${n} B`;
}
