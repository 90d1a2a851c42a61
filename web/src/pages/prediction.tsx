// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export default function PredictionPage({ id }: { id: string }) {
    return <Page title={id}>{null}</Page>;
}
