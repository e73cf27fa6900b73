import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether packages of Debian or Ubuntu can be installed here. */
export const canInstallByApt = (): boolean => process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');

/**
 * Installs packages without letting their services start. `settings`: configuration files that must be there before,
 * by their path; one that exists stays as it is, one that is put there makes room for the package's own afterwards.
 */
export async function installByApt(
  packages: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using _lock = await waitForLock();
  const denial = '/usr/sbin/policy-rc.d';
  const written = Object.entries({ ...settings, [denial]: '#!/bin/sh\nexit 101\n' }).filter(
    ([path]) => !existsSync(path),
  );
  try {
    for (const [path, text] of written) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: path === denial ? 0o755 : 0o644 });
    }
    run(['update']);
    run([
      'install',
      '--yes',
      '--no-install-recommends',
      '-o',
      'Dpkg::Options::=--force-confold',
      '-o',
      'DPkg::Lock::Timeout=120',
      ...packages,
    ]);
  } finally {
    for (const [path] of written) {
      if (existsSync(`${path}.dpkg-dist`)) renameSync(`${path}.dpkg-dist`, path);
      else rmSync(path, { force: true });
    }
  }
}

/** One installation at a time, of all processes: a socket without a file, which goes with the process that holds it. */
async function waitForLock(): Promise<AsyncDisposable> {
  for (;;) {
    const server = createServer().listen('\0opspawn-apt');
    try {
      await once(server, 'listening');
      return server;
    } catch {
      await sleep(200);
    }
  }
}

function run(args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('apt-get', ['-q', ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} exited with ${status}:\n${stderr}`);
}
