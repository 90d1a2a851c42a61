// SPDX-License-Identifier: Apache-2.0
// What a model gave out, as a person wants it: text, pictures, sound, film, files, data.
import type { JsonObject } from '../form/schema';
import { CopyButton, Json } from '../ui/code';
import { viewOf, type View } from './kind';
import { pathOf } from './stream';

// The page may load from its own server only, and an answer names it by its public address.
function source(address: string): string {
    return /^https?:/.test(address) && /\/v1\/outputs\//.test(address) ? pathOf(address) : address;
}

// Files of elsewhere are links: the page asks no other host for anything.
const isForeign = (address: string): boolean => /^https?:/.test(source(address));

function Media({ view }: { view: View & { is: 'media' } }) {
    const from = source(view.address);
    const foreign = isForeign(view.address);
    return (
        <figure class={`media ${view.media}`}>
            {!foreign && view.media === 'image' && <img src={from} alt={`Output ${view.name}`} loading="lazy" />}
            {!foreign && view.media === 'audio' && <audio src={from} controls preload="metadata" aria-label={view.name} />}
            {!foreign && view.media === 'video' && <video src={from} controls preload="metadata" aria-label={view.name} />}
            <figcaption>
                {foreign
                    ? <a href={from} rel="noreferrer noopener" target="_blank">{view.name}</a>
                    : <a href={from} download={view.name}>Download {view.name}</a>}
            </figcaption>
        </figure>
    );
}

function One({ view, live }: { view: View; live: boolean }) {
    switch (view.is) {
        case 'nothing':
            return <p class="faint">{live ? 'No output yet.' : 'No output.'}</p>;
        case 'text':
            return (
                <div class="output-text">
                    <pre tabIndex={0} aria-label="Output">{view.text}{live && <span class="caret" aria-hidden="true" />}</pre>
                    {!live && view.text !== '' && <CopyButton text={view.text} what="the output" />}
                </div>
            );
        case 'media':
            return <Media view={view} />;
        case 'data':
            return <div class="output-data"><Json value={view.value} /></div>;
        case 'list':
            return (
                <ol class={`output-list${view.items.every((v) => v.is === 'media') ? ' files' : ''}`}>
                    {view.items.map((item, i) => <li key={i}><One view={item} live={false} /></li>)}
                </ol>
            );
    }
}

export function Output({ value, schema = {}, live = false }: {
    value: unknown;
    schema?: JsonObject;
    live?: boolean; // more is to come
}) {
    const view = viewOf(value, schema);
    const none = view.is === 'list' && view.items.length === 0;
    return <div class="output"><One view={none ? { is: 'nothing' } : view} live={live} /></div>;
}
