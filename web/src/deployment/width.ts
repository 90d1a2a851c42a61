// SPDX-License-Identifier: Apache-2.0
// How wide an element is, now and after each change: plots are drawn to fit.
import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

export function useWidth(element: RefObject<HTMLElement | null>): number {
    const [width, setWidth] = useState(0);

    useLayoutEffect(() => {
        const e = element.current;
        if (!e) return;
        setWidth(Math.floor(e.clientWidth));
        const watch = new ResizeObserver(() => setWidth(Math.floor(e.clientWidth)));
        watch.observe(e);
        return () => watch.disconnect();
    }, []);
    return width;
}
