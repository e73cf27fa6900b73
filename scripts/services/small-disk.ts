/** A file system of a few megabytes, in memory, that can be filled: what writes to it then meets a full disk. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Only root mounts, and only Linux has a tmpfs. */
export const canMount = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

export class SmallDisk implements Disposable {
  readonly folder: string;
  readonly #ballast: string;

  /** Mounts it on the empty folder. Throws where that is not allowed, as in most containers. */
  constructor(folder: string, megabytes: number) {
    this.folder = folder;
    this.#ballast = join(folder, 'ballast');
    run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'opspawn-verify', folder]);
  }

  /** Takes all that is left. */
  fill(): void {
    const file = openSync(this.#ballast, 'a');
    try {
      for (const block = Buffer.alloc(64 * 1024); ; ) writeSync(file, block);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  [Symbol.dispose](): void {
    // Lazily: who still has a file open there is about to end.
    run('umount', ['--lazy', this.folder]);
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${status}: ${stderr.trim()}`);
}
