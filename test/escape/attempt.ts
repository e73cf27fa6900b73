/** Carries out one attempt, in a sandbox or, to show that it is a real one, without. */
import { spawn } from 'node:child_process';

/** What an attempt knows of the world outside; all of it JSON. */
export interface Given {
  secret: string;
  secretFile: string;
  /** Where nothing must appear. */
  outside: string;
  /** A folder that it may change. */
  box: string;
  /** A folder that it may read. */
  shelf: string;
  hostPid: number;
  victimPid: number;
  tcpPort: number;
  udpPort: number;
  socketFile: string;
  node: string;
  arch: string;
}

interface Attempt {
  language: 'javascript' | 'shell';
  code: string;
  given: Given;
}

type AsyncFunction = (...values: unknown[]) => Promise<unknown>;
const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => AsyncFunction;

export default async function carryOut(
  { language, code, given }: Attempt,
  context?: { progress(message: string): void },
): Promise<unknown> {
  context?.progress('begun');
  if (language === 'shell') return await runShell(code, given);
  const load = (name: string): Promise<unknown> => import(name);
  return await new AsyncFunction('given', 'load', code)(given, load);
}

function runShell(code: string, given: Given): Promise<string> {
  const names = Object.entries(given).map(([key, value]) => [key, String(value)]);
  const child = spawn('/bin/sh', ['-c', code], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...Object.fromEntries(names) },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve) => child.once('exit', () => setImmediate(() => resolve(output))));
}
