import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('process.ts', import.meta.url));

export interface Load {
  readonly pid: number | undefined;
  /** What the process said so far, line by line. */
  readonly said: readonly string[];
  hasEnded(): boolean;
  /** Resolves when the process said something for the first time. */
  readonly begun: Promise<unknown>;
  /** Ends the process and resolves when all that it said is here. */
  stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

/** Starts a process that submits tasks and works on them; `launcher` is a command to start it by. */
export function startLoad(
  path: string,
  { callers = 20, tasks = Number.POSITIVE_INFINITY, launcher = [] as readonly string[] } = {},
): Load {
  const command = [...launcher, process.execPath, program, path, String(callers), String(tasks)];
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => said.push(line));
  const ended = Promise.all([once(child, 'exit'), once(lines, 'close')]);
  return {
    pid: child.pid,
    said,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    begun: Promise.race([once(lines, 'line'), ended]),
    async stop(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

/** A path for a database, whose folder is removed at the end. */
export function temporaryDatabase(): Disposable & { path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-store-'));
  return {
    path: join(folder, 'store.db'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
