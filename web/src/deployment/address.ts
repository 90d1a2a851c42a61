// SPDX-License-Identifier: Apache-2.0
import { path } from '../router';

// Where the API has a version of "owner/name".
export function versionAddress(model: string, version: string): string {
    const [owner = '', name = ''] = model.split('/');
    return path`/v1/models/${owner}/${name}/versions/${version}`;
}
