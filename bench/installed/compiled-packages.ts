import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packAll } from '../../scripts/pack.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A project with the packages that would be published, compiled; what they depend on is the repository's. */
export async function installCompiled(): Promise<
  { readonly path: string; readonly command: string } & Disposable
> {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const path = mkdtempSync(join(root, 'dist', 'bench-'));
  for (const tarball of await packAll(join(path, 'tarballs'))) {
    const [, scoped, name = ''] =
      /(opspawn-)?((?:agentkit|sdk|ops-core|opspawn))-[\d.]+\.tgz$/.exec(tarball) ?? [];
    const folder = join(path, 'node_modules', scoped === undefined ? name : `@opspawn/${name}`);
    mkdirSync(folder, { recursive: true });
    const { status, stderr } = spawnSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
    if (status !== 0) throw new Error(`${tarball} could not be unpacked: ${stderr}`);
  }
  return {
    path,
    command: join(path, 'node_modules', 'opspawn', 'bin', 'opspawn.cjs'),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
