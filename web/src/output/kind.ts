// SPDX-License-Identifier: Apache-2.0
// What an output is to a person: text, a picture, sound, a film, a file, or data. Pure.
import { isObject, type JsonObject } from '../form/schema';

export type Media = 'image' | 'audio' | 'video' | 'file';

export type View =
    | { is: 'nothing' }
    | { is: 'text'; text: string }
    | { is: 'media'; media: Media; address: string; name: string }
    | { is: 'list'; items: View[] }
    | { is: 'data'; value: unknown };

const ENDINGS: { [ending: string]: Media } = {
    png: 'image', jpg: 'image', jpeg: 'image', gif: 'image', webp: 'image', avif: 'image', svg: 'image',
    bmp: 'image', mp3: 'audio', wav: 'audio', ogg: 'audio', oga: 'audio', flac: 'audio', m4a: 'audio',
    opus: 'audio', mp4: 'video', webm: 'video', mov: 'video', m4v: 'video', ogv: 'video',
};

const SPOKEN = /^data:(image|audio|video)\//i;

function lastSegment(address: string): string {
    const path = address.replace(/[?#].*$/, '');
    const name = path.slice(path.lastIndexOf('/') + 1);
    try {
        return decodeURIComponent(name);
    } catch {
        return name;
    }
}

function endingOf(name: string): string {
    return name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
}

export function mediaOf(address: string): Media {
    const spoken = SPOKEN.exec(address);
    if (spoken) return (spoken[1] as string).toLowerCase() as Media;
    return ENDINGS[endingOf(lastSegment(address))] ?? 'file';
}

// A data address has no name but its type.
function nameOf(address: string): string {
    if (!address.startsWith('data:')) return lastSegment(address) || 'file';
    const type = /^data:([\w.+-]+\/[\w.+-]+)/.exec(address)?.[1] ?? '';
    const ending = type.slice(type.indexOf('/') + 1).replace(/^x-|\+.*$/g, '').replace('jpeg', 'jpg');
    return ending && ending !== 'octet-stream' ? `output.${ending}` : 'output';
}

const ADDRESS = /^(https?:\/\/[^\s]+\/[^\s]*|data:[\w.+-]+\/[\w.+-]+[;,][^\s]*)$/i;

// Whether a text stands for a file. The schema knows; without one only the addresses that outputs of
// this server have count, since a model may well answer with a link.
function isFile(value: string, schema: JsonObject): boolean {
    if (!ADDRESS.test(value)) return false;
    if (schema.format === 'uri') return true;
    return value.startsWith('data:') || /\/v1\/outputs\//.test(value);
}

// Pieces that a model gives one after the other and that make one text.
function isOneText(schema: JsonObject): boolean {
    return schema['x-cog-array-display'] === 'concatenate';
}

export function viewOf(value: unknown, schema: JsonObject = {}): View {
    if (value === null || value === undefined) return { is: 'nothing' };
    if (typeof value === 'string') {
        if (!isFile(value, schema)) return { is: 'text', text: value };
        return { is: 'media', media: mediaOf(value), address: value, name: nameOf(value) };
    }
    if (Array.isArray(value)) {
        if (isOneText(schema) && value.every((one) => typeof one === 'string'))
            return { is: 'text', text: value.join('') };
        const of = isObject(schema.items) ? schema.items : {};
        const items = value.map((one) => viewOf(one, of));
        // A list of numbers or objects is data as a whole; lists of texts and files are shown by item.
        return items.every((one) => one.is === 'text' || one.is === 'media')
            ? { is: 'list', items }
            : { is: 'data', value };
    }
    if (isObject(value) && hasFile(value, 0)) return { is: 'list', items: memberViews(value) };
    return { is: 'data', value };
}

function hasFile(value: unknown, depth: number): boolean {
    if (depth > 8) return false;
    if (typeof value === 'string') return isFile(value, {});
    if (Array.isArray(value)) return value.some((one) => hasFile(one, depth + 1));
    return isObject(value) && Object.values(value).some((one) => hasFile(one, depth + 1));
}

function filesIn(value: unknown, found: string[]): string[] {
    if (typeof value === 'string') {
        if (isFile(value, {})) found.push(value);
    } else if (Array.isArray(value)) {
        value.forEach((one) => filesIn(one, found));
    } else if (isObject(value)) {
        Object.values(value).forEach((one) => filesIn(one, found));
    }
    return found;
}

// An object with files inside: the files to see, and the whole as data.
function memberViews(value: JsonObject): View[] {
    const files = filesIn(value, []).map((address) => viewOf(address));
    return [...files, { is: 'data', value }];
}
