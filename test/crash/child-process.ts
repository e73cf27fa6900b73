import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';

export interface Child {
  readonly process: ChildProcess;
  /** Exit code or name of the signal. */
  readonly exited: Promise<number | string>;
  /** All that it wrote to stderr, at its end. */
  readonly stderr: Promise<string>;
  /** Resolves when it wrote this line to stdout; rejects when it ended before. */
  said(line: string): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts a module in a process of its own, which does not outlive the test. */
export function startChild(t: TestContext, module: URL, args: readonly string[]): Child {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  // A process that lives for half a second should not compile for most of it.
  const env = { ...inherited, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };
  const child = spawn(process.execPath, [module.pathname, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  const stderr = text(child.stderr);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  t.after(() => child.kill('SIGKILL'));
  return {
    process: child,
    exited,
    stderr,
    async said(line) {
      const ended = exited.then(async (how) => {
        throw new Error(`the process ended (${how}) and never said ${line}:\n${await stderr}`);
      });
      ended.catch(() => {});
      while (!`\n${said}`.includes(`\n${line}\n`)) await Promise.race([once(child.stdout, 'data'), ended]);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
