/** What the kernel is told to refuse a sandbox, beside what its namespaces leave out. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { OpspawnError } from '../../errors.ts';
import { type MemoryLimit, readStatus } from '../process/memory-limit.ts';

const run = promisify(execFile);
const bytesPerMb = 1024 * 1024;
const maxProcesses = 64;
const maxOpenFiles = 1024;
const programPath = '/usr/bin:/bin:/usr/local/bin';
const watchEveryMs = 50;

export interface SandboxLimits {
  memoryMb: number;
  programs: boolean;
  /** Who may limit it: whom it runs as, where that is somebody else. Containers often take that right from root. */
  user: number | undefined;
}

/**
 * Limits Node in a sandbox, before any of the tool's code runs; what it starts inherits that, and is watched: together
 * they may use no more. `init` is the sandbox's first process, bubblewrap's own, whose only child Node then is. Throws
 * `isolation_unavailable` where that cannot be done.
 */
export async function limitSandbox(
  init: number,
  { memoryMb, programs, user }: SandboxLimits,
): Promise<MemoryLimit> {
  try {
    const [pid] = await childrenOf(init);
    const reserved = pid === undefined ? undefined : await readStatus(pid, 'VmData');
    if (reserved === undefined) throw new Error(`/proc says nothing of the child of ${init}`);
    const limits = [
      `--data=${reserved + memoryMb * bytesPerMb}`,
      `--nproc=${maxProcesses}`,
      `--nofile=${maxOpenFiles}`,
      ...['--core=0', '--memlock=0', '--msgqueue=0'],
    ];
    const as = user === undefined ? {} : { uid: user, gid: user };
    await run('prlimit', ['--pid', String(pid), ...limits], { env: { PATH: programPath }, ...as });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new OpspawnError(
      'isolation_unavailable',
      `The sandbox tier cannot limit its processes (apt install util-linux): ${reason}`,
      { cause: thrown },
    );
  }
  if (!programs) return { kind: 'refused', watch: () => ({ stop: () => {} }) };
  const before = await residentOfTree(init);
  const limitBytes = before + memoryMb * bytesPerMb;
  return { kind: 'refused', watch: (onExceeded) => watchTree(init, limitBytes, onExceeded) };
}

function watchTree(pid: number, limitBytes: number, onExceeded: () => void): { stop(): void } {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const bytes = await residentOfTree(pid);
    if (isStopped) return;
    if (bytes > limitBytes) onExceeded();
    else timer = setTimeout(() => void look(), watchEveryMs);
  };
  timer = setTimeout(() => void look(), watchEveryMs);
  return {
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** In bytes, of a process and all below it: the first process of a sandbox inherits those whose parent ended. */
async function residentOfTree(pid: number): Promise<number> {
  const [own = 0, children] = await Promise.all([readStatus(pid, 'VmRSS'), childrenOf(pid)]);
  const below = await Promise.all(children.map(residentOfTree));
  return below.reduce((sum, bytes) => sum + bytes, own);
}

async function childrenOf(pid: number): Promise<number[]> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return (await Promise.all(lists)).flatMap((text) => text.split(' ').filter(Boolean).map(Number));
  } catch {
    return [];
  }
}
