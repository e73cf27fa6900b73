/** Runs the command `opspawn` of this checkout as users do: as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  stdin?: string | Buffer;
  /** Sends a Ctrl-C once stderr holds this. */
  interruptAt?: string;
}

export const command = fileURLToPath(new URL('../../packages/cli/bin/opspawn.cjs', import.meta.url));

/** Of this process, without what would change what is tested. */
function environment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:OPSPAWN_|AGENTKIT_|NODE_TEST_|FORCE_COLOR)|_API_KEY$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...added };
}

/** Runs a command to its end. */
export async function opspawn(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [command, ...args], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(options.stdin ?? '');
  const exited = once(child, 'close');
  let seen = '';
  let { interruptAt } = options;
  child.stderr.on('data', (bytes: Buffer) => {
    seen += bytes;
    if (interruptAt === undefined || !seen.includes(interruptAt)) return;
    interruptAt = undefined;
    child.kill('SIGINT');
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number | null];
  return { code, stdout, stderr };
}

/** A command that runs until it is stopped, and what it said when it could be used. */
export interface Service<Facts> extends AsyncDisposable {
  readonly facts: Facts;
  readonly child: ChildProcess;
}

/** Starts a server or a worker. Disposing it sends SIGTERM and waits for its end. */
export async function startOpspawn<Facts>(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Service<Facts>> {
  const child = spawn(process.execPath, [command, ...args, '--json'], {
    cwd: options.cwd,
    env: { ...environment(options.env), OPSPAWN_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  };
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { facts: JSON.parse(line) as Facts, child, [Symbol.asyncDispose]: stop };
  }
  throw new Error(`opspawn ${args.join(' ')} did not start: ${stderr}`);
}

/** Calls until the answer is no longer undefined. Fails after two minutes. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 120_000;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not happen`);
}
