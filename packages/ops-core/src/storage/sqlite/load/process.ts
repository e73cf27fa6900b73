/**
 * A process of the tests: submits tasks and works on them, and says on stdout what was acknowledged, a line each:
 * `s ID` submitted, `a ID SEQ` appended, `f ID` finished, `e CODE` a call failed. Runs until it is killed or told to
 * stop by SIGTERM.
 *
 *     node process.ts PATH CALLERS TASKS
 */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../../domain/new-id.ts';
import { readProcessStart } from '../../../host.ts';
import type { ClaimedTask, Store } from '../../store.ts';
import { openSqliteStore } from '../database/open-store.ts';

const [path = '', callers = '10', tasks = 'Infinity'] = process.argv.slice(2);
const workerId = newId();
let isStopping = false;
process.on('SIGTERM', () => {
  isStopping = true;
});

/** Before anything else happens; a reader that is slower is waited for. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let from = 0; from < bytes.length; ) {
    try {
      from += writeSync(1, bytes, from);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

async function attempt<Result>(call: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await call();
  } catch (error) {
    say(`e ${(error as { code?: string }).code ?? String(error)}`);
    // What failed at once would fail again at once, and fill the pipe to whoever reads this.
    await sleep(20);
    return undefined;
  }
}

async function submitTasks(store: Store): Promise<void> {
  let left = Number(tasks);
  const caller = async (): Promise<void> => {
    while (left > 0 && !isStopping) {
      left -= 1;
      const id = newId();
      const task = {
        id,
        namespace: 'load',
        kind: 'function',
        name: 'noop',
        queue: 'load',
        priority: 5,
      } as const;
      const result = await attempt(() => store.write({ op: 'submit', task }));
      if (result?.outcome === 'created') say(`s ${id}`);
    }
  };
  await Promise.all(Array.from({ length: Number(callers) }, caller));
}

async function runTask(store: Store, owner: ClaimedTask): Promise<void> {
  const { taskId } = owner;
  let seq = owner.lastSeq;
  if (seq === 0) {
    seq = 1;
    const entries = [{ seq, type: 'step.completed', name: 'step', data: '{"value":1}' }] as const;
    const result = await attempt(() => store.write({ op: 'append', owner, entries }));
    if (result?.ok !== true) return;
    say(`a ${taskId} ${seq}`);
  }
  const entries = [{ seq: seq + 1, type: 'task.completed', data: '{"output":1}' }] as const;
  const result = await attempt(() => store.write({ op: 'finish', owner, status: 'completed', entries }));
  if (result?.ok === true) say(`f ${taskId}`);
}

async function work(store: Store): Promise<void> {
  const request = { workerId, queues: ['load'], limit: 20, attemptTimeoutMs: 60_000 };
  while (!isStopping) {
    const claimed = (await attempt(() => store.claim(request))) ?? [];
    await Promise.all(claimed.map((owner) => runTask(store, owner)));
    if (claimed.length === 0) await sleep(5);
  }
}

await using store = await openSqliteStore({ path });
const { pid } = process;
const processStart = readProcessStart(pid) ?? '';
await store.registerWorker({ id: workerId, host: hostname(), pid, processStart, queues: ['load'] }, 60_000);
await Promise.all([submitTasks(store), work(store)]);
await store.removeWorker(workerId);
