import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface ProcessesOptions {
  dataDir: string;
  /** That the agent looks at. */
  folder: string;
  /** Where the MCP server and the rules say what reached them. */
  ledger: string;
}

/** The server and the workers of the demo, each a process of its own. Disposing it leaves none behind. */
export interface Processes extends AsyncDisposable {
  startServer(): Promise<{ url: string; pid: number }>;
  startWorker(): Promise<{ pid: number }>;
  /** SIGKILL to the running worker. Resolves when it is dead. */
  killWorker(): Promise<{ pid: number }>;
  /** Ends everything and this process, with the exit code of a process that was ended so. */
  stop(signal: 'SIGINT' | 'SIGTERM'): Promise<never>;
}

const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
/** A call of the MCP server takes so long, a turn of the rules twice as long. */
const callMs = 100;
const stopMs = 5_000;

export function openProcesses({ dataDir, folder, ledger }: ProcessesOptions): Processes {
  mkdirSync(dataDir, { recursive: true });
  const log = createWriteStream(join(dataDir, 'demo.log'), { flags: 'a' });
  const env = { ...process.env, DEMO_FOLDER: folder, DEMO_LEDGER: ledger, DEMO_CALL_MS: String(callMs) };
  const children = new Set<ChildProcess>();
  let worker: ChildProcess | undefined;
  let isStopping = false;

  /** Starts `opspawn COMMAND` and gives what it says, as JSON, once it runs. */
  const start = async <Facts>(command: string, ...args: string[]): Promise<[ChildProcess, Facts]> => {
    const child = spawn(process.execPath, [main, command, '--json', '--data', dataDir, ...args], {
      env,
      // Over the channel it learns that the demo is gone, however it ended.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A Ctrl-C in the terminal is ours to pass on.
      detached: true,
    });
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('a child without pipes');
    children.add(child);
    child.once('exit', () => children.delete(child));
    stderr.pipe(log, { end: false });
    let complaint = '';
    stderr.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes).slice(-2_000);
    });
    for await (const line of createInterface({ input: stdout })) return [child, JSON.parse(line) as Facts];
    if (isStopping) return await new Promise<never>(() => {});
    throw new Error(`"opspawn ${command}" did not start:\n${complaint}`);
  };

  const close = async (): Promise<void> => {
    await Promise.all([...children].map(stopChild));
    log.end();
  };

  return {
    async startServer() {
      const [, facts] = await start<{ url: string; pid: number }>('server', '--port', '0');
      return facts;
    },
    async startWorker() {
      const [child, facts] = await start<{ pid: number }>('worker', '--config', config);
      worker = child;
      return facts;
    },
    async killWorker() {
      if (worker?.pid === undefined) throw new Error('no worker runs');
      const exited = once(worker, 'exit');
      worker.kill('SIGKILL');
      await exited;
      return { pid: worker.pid };
    },
    async stop(signal) {
      isStopping = true;
      await close();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Asks, waits, and then insists. */
async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), stopMs);
  await exited;
  clearTimeout(insist);
}
