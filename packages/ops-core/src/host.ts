/** What is asked of this host. Every thread that renews a lease loads this, which is why it imports nothing: see `files`. */

/** An import would make Node load all kinds of streams for what it exports, half of what the lease's thread costs to start. */
const files = process.getBuiltinModule('node:fs');

/** Time since this host's start, in ms; the same for all of its processes, and untouched by changes of the date. */
export const monotonicNow = (): number => Math.floor(Number(process.hrtime.bigint() / 1_000_000n));

/** Names this start of the host, so that monotonic times of another start are told apart. */
export function readBootId(): string {
  const bootId =
    process.platform === 'linux'
      ? orUndefined(() => files.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
      : run('sysctl', ['-n', 'kern.bootsessionuuid']);
  return bootId ?? 'unknown';
}

/** Names the set of processes in which a pid means the same: a container has one of its own. */
export const readPidSpace = (): string =>
  orUndefined(() => files.readlinkSync('/proc/self/ns/pid')) ?? 'host';

/**
 * When the process started, as text that only tells it from a later one with the same pid. undefined when no such
 * process runs.
 */
export function readProcessStart(pid: number): string | undefined {
  return process.platform === 'linux' ? readStat(pid) : run('ps', ['-o', 'lstart=', '-p', String(pid)]);
}

/** From /proc/PID/stat (proc_pid_stat(5)): field 22, after the command's name, which may hold blanks and brackets. */
function readStat(pid: number): string | undefined {
  const stat = orUndefined(() => files.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isDead = fields?.[0] === 'Z' || fields?.[0] === 'X';
  return isDead ? undefined : fields?.[19];
}

function run(command: string, args: readonly string[]): string | undefined {
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  const output = orUndefined(() =>
    execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  return output?.trim() || undefined;
}

function orUndefined<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
