/**
 * Real services for tests, benchmarks and developers, on ports of their own; what runs on this machine already is left
 * alone. `npm run services -- start | stop | status` keeps them until they are stopped; `npm test` and `npm run bench`
 * start their own and take them down at the end, also when they are killed (services/supervise.ts).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readProcessStart } from '../packages/ops-core/src/host.ts';
import { type ServiceName, services } from './services/kinds.ts';
import { ServiceMissing } from './services/service.ts';

const names = (Object.keys(services) as ServiceName[]).filter(
  (name) => !('isForBenchmarks' in services[name]),
);
const supervisor = fileURLToPath(new URL('services/supervise.ts', import.meta.url));
const stateFolder = fileURLToPath(new URL('../.opspawn/services/', import.meta.url));

interface Supervised {
  readonly url: string;
  readonly pid: number;
  /** Ends it and waits until all of it is gone. */
  stop(): Promise<void>;
}

/** Starts a service under a supervisor: on a leash it goes with this process, otherwise it stays. */
async function supervise(name: ServiceName, { isLeashed }: { isLeashed: boolean }): Promise<Supervised> {
  const folder = join(tmpdir(), `opspawn-${name}-${process.pid}-${Date.now().toString(36)}`);
  const child = spawn(
    process.execPath,
    [supervisor, name, folder, ...(isLeashed ? ['leash'] : [])],
    // A group of its own: Ctrl-C in the terminal reaches the tests first, and they end it.
    { detached: true, stdio: [isLeashed ? 'pipe' : 'ignore', 'pipe', isLeashed ? 'inherit' : 'ignore'] },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const answer = await firstLine(child.stdout ?? process.stdin);
  if (answer?.url === undefined) throw new ServiceMissing(answer?.missing ?? `${name} did not start`);
  child.unref();
  child.stdout?.destroy();
  return {
    url: answer.url,
    pid: child.pid ?? 0,
    async stop() {
      child.ref();
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function firstLine(
  stream: NodeJS.ReadableStream,
): Promise<{ url?: string; missing?: string } | undefined> {
  for await (const line of createInterface({ input: stream }))
    return JSON.parse(line) as { url?: string; missing?: string };
  return undefined;
}

/**
 * Starts the services, each once, and gives their URLs under the names of their variables; one that a variable of the
 * environment names already is used as it is. What this machine cannot have is told to `onMissing` and left out.
 */
export async function startServices(
  wanted: readonly ServiceName[],
  onMissing: (message: string) => void,
): Promise<{ readonly variables: Readonly<Record<string, string>> } & AsyncDisposable> {
  const variables: Record<string, string> = {};
  const started: Supervised[] = [];
  await Promise.all(
    wanted.map(async (name) => {
      const { variable } = services[name];
      const given = process.env[variable];
      if (given !== undefined && given !== '') {
        variables[variable] = given;
        return;
      }
      try {
        const service = await supervise(name, { isLeashed: true });
        started.push(service);
        variables[variable] = service.url;
      } catch (thrown) {
        if (!(thrown instanceof ServiceMissing)) throw thrown;
        onMissing(thrown.message);
      }
    }),
  );
  return {
    variables,
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((service) => service.stop()));
    },
  };
}

interface Kept {
  readonly pid: number;
  /** Tells the process from a later one with the same pid. */
  readonly processStart: string;
  readonly url: string;
}

const stateFile = (name: ServiceName): string => join(stateFolder, `${name}.json`);

/** What `start` left running; undefined when it runs no more. */
function findKept(name: ServiceName): Kept | undefined {
  try {
    const kept = JSON.parse(readFileSync(stateFile(name), 'utf8')) as Kept;
    return readProcessStart(kept.pid) === kept.processStart ? kept : undefined;
  } catch {
    return undefined;
  }
}

async function start(name: ServiceName): Promise<void> {
  if (findKept(name) !== undefined) return status(name);
  const { url, pid } = await supervise(name, { isLeashed: false });
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(stateFile(name), JSON.stringify({ pid, url, processStart: readProcessStart(pid) }));
  status(name);
}

function stop(name: ServiceName): void {
  const kept = findKept(name);
  if (kept !== undefined) process.kill(kept.pid, 'SIGTERM');
  rmSync(stateFile(name), { force: true });
}

function status(name: ServiceName): void {
  const kept = findKept(name);
  process.stdout.write(
    kept === undefined ? `${name} is not running\n` : `${services[name].variable}=${kept.url}\n`,
  );
}

if (import.meta.main) {
  const commands = { start, stop, status };
  const command = commands[process.argv[2] as keyof typeof commands];
  if (command === undefined) {
    process.stderr.write('Usage: npm run services -- start | stop | status\n');
    process.exitCode = 2;
  } else {
    try {
      for (const name of names) await command(name);
    } catch (thrown) {
      if (!(thrown instanceof ServiceMissing)) throw thrown;
      process.stderr.write(`${thrown.message}\n`);
      process.exitCode = 1;
    }
  }
}
