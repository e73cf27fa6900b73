/** What runs in the sandbox of `runShell`: one command line. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ToolContext } from '../tool.ts';

export interface ShellResult {
  /** Absent when a signal ended it. */
  exitCode?: number;
  signal?: string;
  stdout: string;
  stderr: string;
  /** Whether one of the two was longer and is cut. */
  isCut?: true;
}

export interface ShellInput {
  command: string;
  stdin?: string;
}

const maxOutputBytes = 64 * 1024;

export default async function runShell(
  { command, stdin = '' }: ShellInput,
  { signal }: ToolContext,
): Promise<ShellResult> {
  const child = spawn('/bin/sh', ['-c', command], {
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
      HOME: '/tmp',
      TMPDIR: '/tmp',
      LANG: 'C.UTF-8',
    },
    stdio: 'pipe',
    signal,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => {}).end(stdin);
  const [out, err] = [collect(child.stdout), collect(child.stderr)];
  const [exitCode, endedBy] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    // not `close`: what the command left in the background would keep it from ending
    child.once('exit', (code, by) => setTimeout(() => resolve([code, by]), 5));
  });
  return {
    ...(exitCode !== null && { exitCode }),
    ...(endedBy !== null && { signal: endedBy }),
    stdout: out.text(),
    stderr: err.text(),
    ...((out.isCut() || err.isCut()) && { isCut: true }),
  };
}

/** The beginning of a stream. The rest is read too, so that its writer need not wait. */
function collect(stream: Readable): { text(): string; isCut(): boolean } {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < maxOutputBytes) chunks.push(chunk.subarray(0, maxOutputBytes - bytes));
    bytes += chunk.length;
  });
  return { text: () => Buffer.concat(chunks).toString(), isCut: () => bytes > maxOutputBytes };
}
