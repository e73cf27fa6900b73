import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Keeps one process within its memory. */
export interface MemoryLimit {
  /**
   * `refused`: the kernel refuses the process more (Linux, where util-linux's prlimit is). `watched`: it must be killed
   * soon after it has grown by more (elsewhere).
   */
  kind: 'refused' | 'watched';
  /** Calls back once when a process that is only watched has grown too large. */
  watch(onExceeded: () => void): { stop(): void };
}

const run = promisify(execFile);
const bytesPerMb = 1024 * 1024;
const watchEveryMs = 50;

/**
 * Limits what a process may have beyond what it has now: an empty Node has several hundred MB reserved, of which it
 * uses some 50.
 */
export async function limitMemory(pid: number, memoryMb: number, mayRefuse = true): Promise<MemoryLimit> {
  if (mayRefuse && (await refuseBeyond(pid, memoryMb)))
    return { kind: 'refused', watch: () => ({ stop: () => {} }) };
  const before = (await residentBytes(pid)) ?? 0;
  const limitBytes = before + memoryMb * bytesPerMb;
  return { kind: 'watched', watch: (onExceeded) => watch(pid, limitBytes, onExceeded) };
}

/** By RLIMIT_DATA: private writable memory, whoever asks for it (V8, buffers, native code). False where it cannot be set. */
async function refuseBeyond(pid: number, memoryMb: number): Promise<boolean> {
  const reserved = await readStatus(pid, 'VmData');
  if (reserved === undefined) return false;
  try {
    await run('prlimit', ['--pid', String(pid), `--data=${reserved + memoryMb * bytesPerMb}`, '--core=0']);
    return true;
  } catch {
    return false;
  }
}

function watch(pid: number, limitBytes: number, onExceeded: () => void): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    if (((await residentBytes(pid)) ?? 0) > limitBytes) onExceeded();
    else if (timer !== undefined) lookLater();
  };
  const lookLater = (): void => {
    timer = setTimeout(() => void look(), watchEveryMs);
  };
  lookLater();
  return {
    stop: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** undefined for a process that is gone. */
async function residentBytes(pid: number): Promise<number | undefined> {
  const resident = await readStatus(pid, 'VmRSS');
  if (resident !== undefined) return resident;
  try {
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
    return Number(stdout) * 1024;
  } catch {
    return undefined;
  }
}

/** In bytes; undefined where there is no /proc. */
export async function readStatus(pid: number, field: 'VmData' | 'VmRSS'): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
