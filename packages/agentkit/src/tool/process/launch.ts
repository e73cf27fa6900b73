/** How a process of a tier is started, and what keeps it to that tier. */
import { fileURLToPath } from 'node:url';
import { OpspawnError } from '../../errors.ts';
import { moduleUrl } from '../../module-url.ts';
import { sandboxCommand } from '../sandbox/bubblewrap.ts';
import { explainSandbox } from '../sandbox/explain-sandbox.ts';
import type { SandboxAccess } from '../sandbox/sandbox-access.ts';
import { limitSandbox } from '../sandbox/sandbox-limits.ts';
import { hasSyscallFilter, syscallFilter } from '../sandbox/syscall-filter.ts';
import { limitMemory, type MemoryLimit } from './memory-limit.ts';

export interface LaunchOptions {
  module: URL;
  memoryMb: number;
  /** Whether the kernel is asked to enforce the memory limit of the `process` tier, where it can. */
  mayRefuseMemory: boolean;
  /** Present: the `sandbox` tier. */
  sandbox: SandboxAccess | undefined;
}

/** A tier's way of running Node with `process-entry` in it. */
export interface Launch {
  /** For `/bin/sh`. */
  args: readonly string[];
  /** What stands in descriptor 4 at first. */
  input?: Buffer;
  /** Whether lines with the id of the process (`--info-fd`) come before its own. */
  announcesPid: boolean;
  /** Whether what it says of an error is believed: its code may end a run. */
  isTrusted: boolean;
  limit(pid: number): Promise<MemoryLimit>;
  /** What it means when the process ended before it said anything. undefined: nothing but that. */
  explain(stderr: string): OpspawnError | undefined;
}

/** Passes our pipes on as other descriptors, and leaves the process no input, no output and no environment. */
const redirect = 'exec /usr/bin/env -i "$@" 4<&0 5>&1 </dev/null >/dev/null';
/** The same around a sandbox: 6 is where it tells its process's id, 7 where it reads its filter of system calls. */
const redirectSandbox = 'exec /usr/bin/env -i "$@" 7<&4 4<&0 5>&1 6>&1 </dev/null >/dev/null';

/** Throws `isolation_unavailable` where this machine cannot give the tier, and `config_invalid` for wrong access. */
export const launchOf = (options: LaunchOptions): Launch =>
  options.sandbox === undefined ? processLaunch(options) : sandboxLaunch(options, options.sandbox);

function processLaunch({ memoryMb, mayRefuseMemory }: LaunchOptions): Launch {
  if (process.platform === 'win32')
    throw unavailable('The process tier needs a POSIX system: /bin/sh and process groups');
  const entry = fileURLToPath(moduleUrl('./process-entry', import.meta.url));
  return {
    args: ['-c', redirect, 'sh', process.execPath, '--no-warnings', entry],
    announcesPid: false,
    isTrusted: true,
    limit: (pid) => limitMemory(pid, memoryMb, mayRefuseMemory),
    explain: () => undefined,
  };
}

function sandboxLaunch({ module, memoryMb }: LaunchOptions, access: SandboxAccess): Launch {
  if (process.platform !== 'linux')
    throw unavailable(`The sandbox tier needs Linux, for its namespaces; this is ${process.platform}`);
  if (!hasSyscallFilter())
    throw unavailable(`The sandbox tier has no filter of system calls for ${process.arch}: x64 or arm64`);
  const { programs = false } = access;
  const { program, args, user } = sandboxCommand(module, access);
  return {
    args: ['-c', redirectSandbox, 'sh', program, '--info-fd', '6', '--seccomp', '7', ...args],
    input: syscallFilter(programs),
    announcesPid: true,
    isTrusted: false,
    limit: (pid) => limitSandbox(pid, { memoryMb, programs, user }),
    explain: explainSandbox,
  };
}

const unavailable = (message: string): OpspawnError => new OpspawnError('isolation_unavailable', message);
