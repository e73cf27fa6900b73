/** What the sandbox tier stands on: no server, but a program that tests need of the machine all the same. */
import { spawnSync } from 'node:child_process';
import { canInstallByApt, installByApt } from './apt.ts';
import { type ServiceKind, ServiceMissing } from './service.ts';

export const bubblewrap: ServiceKind = {
  variable: 'OPSPAWN_TEST_BUBBLEWRAP',
  async start() {
    if (!isThere() && canInstallByApt()) await installByApt(['bubblewrap']);
    if (isThere()) return { url: 'bwrap', [Symbol.asyncDispose]: async () => {} };
    throw new ServiceMissing(
      'bubblewrap was not found. Install it (Debian and Ubuntu: apt-get install bubblewrap)',
    );
  },
};

const isThere = (): boolean => spawnSync('bwrap', ['--version']).status === 0;
