// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact';
import { App } from './app';
import { startLive } from './live';
import { startRouter } from './router';
import { startTheme } from './theme';

startTheme();
startRouter();
startLive();
render(<App />, document.getElementById('app')!);
