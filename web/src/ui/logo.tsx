// SPDX-License-Identifier: Apache-2.0
export function Logo() {
    return (
        <svg class="logo" width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M9 7v13a5 5 0 0 0 5 5h4a5 5 0 0 0 5-5M9 14h9a4.500 4.500 0 0 0 0-7H9" />
        </svg>
    );
}
