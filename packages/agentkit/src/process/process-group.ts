/**
 * A child process in a process group of its own that never outlives this process.
 *
 * The group holds, beside the command and all that it starts, a shell that waits for the end of a pipe whose other end
 * only this process has: however this process ends (also by SIGKILL), the kernel closes the pipe and the shell kills
 * the group. Preferred to PR_SET_PDEATHSIG, which reaches only the direct child (not what `npx` starts), is lost when
 * the parent dies before the child asked for it, and exists on Linux only.
 */
import { type ChildProcessWithoutNullStreams, type StdioOptions, spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { killKin, killTree, kinOf } from './process-tree.ts';

/**
 * `end` does what `killTree` does, sparing the shell that runs it; `$$` is the command. Signals for the group are ignored
 * from before that shell is there: one that came before it could ignore them itself would end it, and leave what it guards.
 */
const leash = `end() {
  kill -STOP $1
  for list in /proc/$1/task/*/children; do
    children=; read -r children <$list
    for child in $children; do [ $child = $self ] || end $child; done
  done
  kill -KILL $1
}
trap '' HUP INT TERM
(read -r _ <&3; read -r self _ </proc/self/stat; end $$; kill -KILL 0) </dev/null >/dev/null 2>&1 &
trap - HUP INT TERM
exec "$@" 3<&-`;

export interface ProcessGroupOptions {
  command: string;
  args: readonly string[];
  /** All of the child's environment. */
  env: Readonly<Record<string, string>>;
  cwd?: string | undefined;
  /** What the command may read from its descriptor 4. */
  input?: Buffer | undefined;
}

/** How long what a dead command left behind may still write; then it is killed. */
const drainMs = 200;

export class ProcessGroup {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The command's process id, which is its group's too. undefined when it could not be started. */
  readonly pid: number | undefined;
  /** How the command ended, in words. By then its output is read and nothing is left of its group. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcessWithoutNullStreams;
  #drainMs = drainMs;
  #stopping = false;
  #gone = false;

  /** A command that cannot be run is one that `ended` at once. */
  constructor({ command, args, env, cwd, input }: ProcessGroupOptions) {
    const child = spawn('/bin/sh', ['-c', leash, 'sh', command, ...args], {
      cwd,
      env,
      detached: true,
      stdio: withoutInherited(['pipe', 'pipe', 'pipe', 'pipe', input === undefined ? 'ignore' : 'pipe']),
      // its first three are pipes
    }) as ChildProcessWithoutNullStreams;
    this.#child = child;
    [this.stdin, this.stdout, this.stderr] = [child.stdin, child.stdout, child.stderr];
    this.pid = child.pid;
    // what breaks on these pipes shows as the end of the process
    for (const stream of child.stdio) stream?.on('error', () => {});
    if (input !== undefined) (child.stdio[4] as Writable).end(input);
    // not the child's own `close`, which waits for the leash too
    const read = Promise.all([closed(child.stdout), closed(child.stderr)]);
    this.ended = this.#end(child, read);
  }

  async #end(child: ChildProcessWithoutNullStreams, read: Promise<unknown>): Promise<string> {
    const reason = await new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `exited with code ${code}` : `was killed by ${signal}`),
      );
    });
    await settledWithin(read, this.#drainMs);
    this.kill('SIGKILL');
    this.#gone = true;
    for (const stream of child.stdio) stream?.destroy();
    return reason;
  }

  /** Whether the group keeps this process from ending by itself. At first it does. */
  keepAlive(keeps: boolean): void {
    const pipes = this.#child.stdio.filter((pipe) => pipe instanceof Socket);
    for (const handle of [this.#child, ...pipes]) keeps ? handle.ref() : handle.unref();
  }

  /** Signals the whole group; SIGKILL also takes what the command's descendants put into groups of their own (Linux). */
  kill(signal: NodeJS.Signals): void {
    if (this.pid === undefined || this.#gone) return;
    const { exitCode, signalCode } = this.#child;
    if (signal === 'SIGKILL' && exitCode === null && signalCode === null) killTree(this.pid);
    try {
      process.kill(-this.pid, signal);
    } catch {
      // the group is gone already
    }
  }

  /**
   * Closes its stdin and sends SIGTERM; what is still there after `graceMs` gets SIGKILL, also what the command had put into
   * groups of their own and left behind (Linux).
   */
  async stop(graceMs: number): Promise<void> {
    const kin = this.pid === undefined || this.#gone ? [] : kinOf(this.pid);
    if (!this.#stopping) {
      this.#stopping = true;
      this.#drainMs = graceMs;
      this.stdin.end();
      this.kill('SIGTERM');
    }
    await settledWithin(this.ended, graceMs);
    this.kill('SIGKILL');
    await this.ended;
    killKin(kin);
  }
}

let inherited: { numbers: readonly number[]; nothing: number } | undefined;

/**
 * Descriptors that this process was started with and did not open itself would reach every child: they become
 * `/dev/null` there. Only Linux says which they are.
 */
function withoutInherited(stdio: ('pipe' | 'ignore')[]): StdioOptions {
  inherited ??= findInherited();
  const all: ('pipe' | 'ignore' | number)[] = [...stdio];
  for (const number of inherited.numbers) {
    while (all.length < number) all.push('ignore');
    if (number >= stdio.length) all[number] = inherited.nothing;
  }
  return all;
}

const closeOnExec = 0o2000000;

function findInherited(): { numbers: readonly number[]; nothing: number } {
  const nothing = openSync('/dev/null', 'r+');
  try {
    const numbers = readdirSync('/proc/self/fdinfo')
      .map(Number)
      .sort((a, b) => a - b);
    return { numbers: numbers.filter(isInherited), nothing };
  } catch {
    return { numbers: [], nothing };
  }
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    return false; // what was open for looking only
  }
}

const closed = (stream: Readable): Promise<void> => new Promise((resolve) => stream.once('close', resolve));

/** Waits for the promise, but no longer than `ms`. */
async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
