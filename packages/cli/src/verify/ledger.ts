/** What really happened, as told to a process of its own that outlives every kill: it is the judge's book. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

export type LedgerLine =
  /** The code of a step begins to run. `key` is its idempotency key. */
  | { said: 'begun'; taskId: string; attempt: number; key: string; name: string; isOnce: boolean }
  /** The effect of the step. Nothing about it is recorded yet. */
  | { said: 'done'; taskId: string; attempt: number; key: string }
  /** An operator said that the effect was not done, so that it may be done again. */
  | { said: 'allowed'; key: string };

export interface LedgerClient extends Disposable {
  /** Resolves when the line is on disk. */
  say(line: LedgerLine): Promise<void>;
}

/** Connects to the ledger's process on its socket. */
export async function openLedger(socketPath: string): Promise<LedgerClient> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  const waiting: (() => void)[] = [];
  // Answers come in the order of the lines.
  createInterface({ input: socket }).on('line', () => waiting.shift()?.());
  return {
    say: (line) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        socket.write(`${JSON.stringify(line)}\n`);
      }),
    [Symbol.dispose]: () => socket.destroy(),
  };
}

export function readLedger(path: string): LedgerLine[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as LedgerLine);
}
