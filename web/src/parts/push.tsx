// SPDX-License-Identifier: Apache-2.0
// How a version comes onto the server.
import { Code } from '../ui/code';

export function PushInstructions({ model, server = window.location.origin }: { model: string; server?: string }) {
    return (
        <div class="stack">
            <p>A version is made of a folder with a <code>cog.yaml</code>, by whoever has a token of the model’s owner:</p>
            <Code label="Push a version" text={`export BERTH_TOKEN=r8_…   # a token of yours: see Account\nberth push path/to/folder ${model} --url ${server}`} />
            <p class="muted">The same content is the same version: pushing it again makes nothing new.</p>
        </div>
    );
}
