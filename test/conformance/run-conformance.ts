import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { playScenario, scenarioSchema } from './scenario.ts';

export type Revision = '2025-11-25' | '2026-07-28';

interface Check {
  id: string;
  status: string;
  errorMessage?: string;
}

/** The tool starts all scenarios at once, more than a small machine can do within their time limits. */
const atOnce = 4;
const tool = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));
const forward = relative(process.cwd(), fileURLToPath(new URL('./forward.sh', import.meta.url)));

/**
 * Plays every client scenario of a revision through our MCP host. Gives what failed or was warned of, by scenario, how many
 * scenarios there were, and what was said meanwhile.
 */
export async function runConformance(revision: Revision) {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-conformance-'));
  const [requests, results] = [join(folder, 'requests'), join(folder, 'results')];
  mkdirSync(requests);
  const ended = new AbortController();
  try {
    const command = ['--command', `sh ${forward} ${requests}`, '--timeout', '240000'];
    const args = [tool, 'client', '--requirements', revision, ...command, '-o', results];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const played = playAll(requests, ended.signal);
    const [log] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    ended.abort();
    return { ...readResults(results), log: [log, ...(await played)].join('\n') };
  } finally {
    ended.abort();
    rmSync(folder, { recursive: true });
  }
}

/** Plays what is asked for in the folder. Gives what went wrong, which some scenarios are there for. */
async function playAll(folder: string, signal: AbortSignal): Promise<string[]> {
  const refusals: string[] = [];
  const known = new Set<string>();
  const waiting: string[] = [];
  const player = async (): Promise<void> => {
    while (!signal.aborted) {
      const request = waiting.shift();
      if (request === undefined) await sleep(20);
      else await play(join(folder, request), refusals);
    }
  };
  const finder = async (): Promise<void> => {
    for (; !signal.aborted; await sleep(20))
      for (const file of globSync('*.request', { cwd: folder }))
        if (!known.has(file)) {
          known.add(file);
          waiting.push(file);
        }
  };
  await Promise.all([finder(), ...Array.from({ length: atOnce }, player)]);
  return refusals;
}

async function play(request: string, refusals: string[]): Promise<void> {
  const [scenario, url, context = ''] = (await readFile(request, 'utf8')).split('\n');
  let code = 0;
  try {
    await playScenario(scenarioSchema.parse({ scenario, url, context: JSON.parse(context) }));
  } catch (thrown) {
    code = 1;
    refusals.push(`${scenario}: ${inspect(thrown)}`);
  }
  await writeFile(request.replace(/request$/, 'answer'), `${code}\n`);
  await rm(request);
}

function readResults(folder: string) {
  const failures: Record<string, string[]> = {};
  const files = globSync('**/checks.json', { cwd: folder });
  for (const file of files) {
    const scenario = dirname(file).replace(/-\d{4}-\d{2}-\d{2}T.*$/, '');
    const checks = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Check[];
    const failed = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
    if (failed.length > 0)
      failures[scenario] = failed.map(({ id, errorMessage = '' }) => `${id}: ${errorMessage}`);
  }
  return { failures, scenarios: files.length };
}
