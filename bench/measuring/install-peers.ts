import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('..', import.meta.url));

/**
 * Installs what bench/package-lock.json names into bench/node_modules, unless it is there. Throws when npm fails.
 */
export function installPeers(): void {
  if (isInstalled()) return;
  process.stderr.write('Installing what the benchmark compares with (npm ci in bench/) …\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  });
  if (npm.error !== undefined) throw npm.error;
  if (npm.status !== 0) throw new Error('npm ci failed in bench/; its output is above');
}

/** npm keeps a copy of the lockfile that it installed from. */
function isInstalled(): boolean {
  const copy = `${folder}node_modules/.package-lock.json`;
  if (!existsSync(copy)) return false;
  const installed = packagesOf(copy);
  const { '': _project, ...wanted } = packagesOf(`${folder}package-lock.json`);
  return Object.entries(wanted).every(
    ([path, { integrity, optional }]) => optional === true || installed[path]?.integrity === integrity,
  );
}

const packagesOf = (lockfile: string): Record<string, { integrity?: string; optional?: boolean }> =>
  JSON.parse(readFileSync(lockfile, 'utf8')).packages;
