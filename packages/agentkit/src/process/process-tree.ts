import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills all that descends from a process and then itself, whatever groups and sessions they made for themselves. Each is
 * stopped before its children are looked up, so that none is born unseen. What outlived its own parent (a daemon) is no
 * longer below it and stays. Only Linux tells who the children are: elsewhere, and of one that is gone, nothing is known.
 */
export function killTree(pid: number): void {
  signal(pid, 'SIGSTOP');
  for (const child of childrenOf(pid)) killTree(child);
  signal(pid, 'SIGKILL');
}

/** A process, and when it started: another one may get its number. */
export interface Kin {
  pid: number;
  startedAt: string | undefined;
}

/** All below a process as of now, in whatever groups and sessions. Only Linux tells. */
export const kinOf = (pid: number): Kin[] =>
  childrenOf(pid).flatMap((child) => [{ pid: child, startedAt: startOf(child) }, ...kinOf(child)]);

/** Kills those that are still there, with all below them. */
export function killKin(kin: readonly Kin[]): void {
  for (const { pid, startedAt } of kin)
    if (startedAt !== undefined && startOf(pid) === startedAt) killTree(pid);
}

/** In ticks since the machine started; undefined of one that is gone. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone, or runs as somebody else, in a sandbox that ends with its first process
  }
}
