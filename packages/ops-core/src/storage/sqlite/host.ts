import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/** Time since this host's start, in ms; the same for all of its processes, and untouched by changes of the date. */
export const monotonicNow = (): number => Math.floor(Number(process.hrtime.bigint() / 1_000_000n));

/** Names this start of the host, so that monotonic times of another start are told apart. */
export function readBootId(): string {
  if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  if (process.platform === 'darwin') return run('sysctl', ['-n', 'kern.bootsessionuuid']) ?? 'unknown';
  return 'unknown';
}

/** Names the set of processes in which a pid means the same: a container has one of its own. */
export function readPidSpace(): string {
  return process.platform === 'linux' ? readlinkSync('/proc/self/ns/pid') : 'host';
}

/**
 * When the process started, as text that only tells it from a later one with the same pid. undefined when no such
 * process runs.
 */
export function readProcessStart(pid: number): string | undefined {
  return process.platform === 'linux' ? readStat(pid) : run('ps', ['-o', 'lstart=', '-p', String(pid)]);
}

/** From /proc/PID/stat (proc_pid_stat(5)): field 22, after the command's name, which may hold blanks and brackets. */
function readStat(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? undefined : startTime;
  } catch {
    return undefined;
  }
}

function run(command: string, args: readonly string[]): string | undefined {
  try {
    const output = execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return output === '' ? undefined : output;
  } catch {
    return undefined;
  }
}
