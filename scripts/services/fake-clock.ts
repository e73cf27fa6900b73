/** A clock that is moved while the programs that go by it run: libfaketime, which stands between them and the system's. */
import { globSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canInstallByApt, installByApt } from './apt.ts';

const library = '/usr/lib/*/faketime/libfaketime.so.1';
/** libfaketime reads its file so often, in whole seconds. */
const readEverySeconds = 1;

export interface FakeClock {
  /** What a program's environment needs to go by it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Moves it by so much from the real time, and resolves when every program has noticed. */
  move(offsetMs: number): Promise<void>;
}

/** undefined where libfaketime is not there and cannot be installed. The folder must be readable to the programs. */
export async function openFakeClock(folder: string): Promise<FakeClock | undefined> {
  if (globSync(library).length === 0 && canInstallByApt()) await installByApt(['libfaketime']);
  const [path] = globSync(library);
  if (path === undefined) return undefined;
  const file = join(folder, 'clock');
  const write = (offsetMs: number): void => {
    // In one piece: it is read at any moment.
    writeFileSync(`${file}.new`, `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1_000}`, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  };
  write(0);
  return {
    environment: {
      LD_PRELOAD: path,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: String(readEverySeconds),
      // Time-outs are no matter of the date.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    async move(offsetMs) {
      write(offsetMs);
      await sleep(1_000 * readEverySeconds + 100);
    },
  };
}
