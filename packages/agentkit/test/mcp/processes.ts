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

/** Asks until the question is answered with yes; the test's own time-out ends a wait in vain. */
export async function until(question: () => boolean): Promise<void> {
  while (!question()) await sleep(10);
}
