/** The judge's book: a file that outlives every kill. What a process did is in it before the next thing happens. */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

export type LedgerLine =
  /** The task was acknowledged to its submitter. */
  | { said: 'accepted'; taskId: string }
  /** Code of a step begins to run. `key` is its idempotency key. */
  | { said: 'begun'; taskId: string; attempt: number; key: string; name: string; effect: string }
  /** The effect of the step is done, and nothing about it is recorded yet. */
  | { said: 'done'; taskId: string; attempt: number; key: string; value?: unknown }
  /** A person said that the effect was not done, so that it may be done again. */
  | { said: 'allowed'; key: string };

export class Ledger {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: LedgerLine): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readLedger(path: string): LedgerLine[] {
  const lines = readFileSync(path, { encoding: 'utf8', flag: 'a+' }).split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as LedgerLine);
}
