import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** What runs in the process group of this id, as `pid command`. Zombies do not run. */
export function groupMembers(group: number): string[] {
  const listing = execFileSync('ps', ['-A', '-o', 'pgid=,stat=,pid=,args='], { encoding: 'utf8' });
  return listing
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([pgid, stat]) => Number(pgid) === group && !stat?.startsWith('Z'))
    .map(([, , ...rest]) => rest.join(' '));
}

interface Running {
  pid: number;
  parent: number;
  command: string;
}

/** Zombies do not run. */
function allRunning(): Running[] {
  const listing = execFileSync('ps', ['-A', '-o', 'stat=,pid=,ppid=,args='], { encoding: 'utf8' });
  return listing
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([stat = 'Z']) => !stat.startsWith('Z'))
    .map(([, pid, parent, ...rest]) => ({
      pid: Number(pid),
      parent: Number(parent),
      command: rest.join(' '),
    }));
}

/** A process and all below it, in whatever groups, sessions and namespaces they are. */
export function processTree(root: number): Running[] {
  const all = allRunning();
  const below = (pid: number): Running[] =>
    all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return [...all.filter(({ pid }) => pid === root), ...below(root)];
}

/** Which of them still run. */
export function leftOf(tree: readonly Running[]): Running[] {
  return allRunning().filter(({ pid, command }) =>
    tree.some((each) => each.pid === pid && each.command === command),
  );
}

/** Asks until the question is answered with yes; the test's own time-out ends a wait in vain. */
export async function until(question: () => boolean): Promise<void> {
  while (!question()) await sleep(10);
}
