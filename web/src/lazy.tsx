// SPDX-License-Identifier: Apache-2.0
// A page whose code is loaded when it is shown for the first time.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Failure, Loading } from './ui/states';

export function lazy(load: () => Promise<{ default: ComponentType<any> }>): ComponentType<any> {
    let loaded: ComponentType<any> | undefined;

    return function Lazy(props: object) {
        const [Part, setPart] = useState<ComponentType<any> | undefined>(() => loaded);
        const [error, setError] = useState<Error>();
        const [tries, setTries] = useState(0);

        useEffect(() => {
            if (loaded) return;
            load().then(
                (module) => {
                    loaded = module.default;
                    setPart(() => loaded);
                },
                // A server of another version has other files: only loading the page anew helps then.
                () => setError(new Error('A part of the page could not be loaded. If it stays so, load the page anew.')),
            );
        }, [tries]);
        if (Part) return <Part {...props} />;
        if (error) {
            return (
                <main class="page">
                    <Failure error={error} retry={() => { setError(undefined); setTries(tries + 1); }} />
                </main>
            );
        }
        return <main class="page"><Loading what="the page" /></main>;
    };
}
