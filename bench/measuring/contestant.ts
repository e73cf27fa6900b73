import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** One of those that are compared, in a process of its own. */
export interface Contestant extends AsyncDisposable {
  /** Has it do this much and gives what `serveContestant`'s function gave. Throws when the process ends instead. */
  measure<Figures>(load: object): Promise<Figures>;
}

/** Starts `npm run bench -- BENCH …args`, which is to call `serveContestant`. */
export function startContestant(bench: string, args: readonly string[]): Contestant {
  const child = fork(main, [bench, ...args]);
  const exited = once(child, 'exit');
  const failed = exited.then(([exitCode]) => {
    throw new Error(`${bench} ${args.join(' ')} exited with ${exitCode}`);
  });
  failed.catch(() => {});
  return {
    async measure<Figures>(load: object) {
      const answered = once(child, 'message') as Promise<[Figures]>;
      child.send(load);
      const [figures] = await Promise.race([answered, failed]);
      return figures;
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** Answers `measure` of the process that started this one, until that one is done with it. */
export async function serveContestant<Load>(measure: (load: Load) => Promise<object>): Promise<void> {
  const answer = async (load: Load): Promise<void> => {
    process.send?.(await measure(load));
  };
  process.on('message', (load: Load) => void answer(load));
  await once(process, 'disconnect');
}
