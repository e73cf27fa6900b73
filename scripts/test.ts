/**
 * `npm test [-- file | folder | glob | part of a path …]`: the checks (when nothing is selected) and every test file.
 * The last line is `N passed, N failed`, with `, N skipped` when some were. In CI a skipped test counts as failed.
 * Services whose variable a selected test names are started once for the run (services.ts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, matchesGlob, relative, resolve, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { type ServiceName, services } from './services/kinds.ts';
import { startServices } from './services.ts';

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const none: Totals = { passed: 0, failed: 0, skipped: 0 };
const root = fileURLToPath(new URL('..', import.meta.url));
/** What takes long is begun first, so that nothing runs alone at the end. */
const testFiles = [
  'test/{crash,simulation,faults,cli}/*.test.ts',
  'test/**/*.test.ts',
  '{packages,examples}/**/*.test.ts',
];
const concurrency = Math.max(2, Math.min(availableParallelism(), 6));
const timeoutMs = 10 * 60_000;

function findTestFiles(selections: readonly string[]): string[] {
  const exclude = ['**/node_modules/**', '**/dist/**'];
  const found = testFiles.flatMap((pattern) => globSync(pattern, { cwd: root, exclude }).sort());
  const files = [...new Set(found)];
  if (selections.length === 0) return files;
  return files.filter((file) => selections.some((selection) => isSelected(file, selection)));
}

function isSelected(file: string, selection: string): boolean {
  const path = relative(root, resolve(selection));
  if (statSync(selection, { throwIfNoEntry: false }) !== undefined) {
    return file === path || file.startsWith(path + sep);
  }
  return matchesGlob(file, selection) || file.includes(selection);
}

/** Runs `npm run check` in a process of its own and counts it as one test. */
async function runChecks(signal: AbortSignal): Promise<Totals> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('check.ts', import.meta.url))], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    signal,
  });
  const [exitCode] = await once(child, 'close');
  return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** The services that these tests use, by what they import or name. */
function neededServices(files: readonly string[]): ServiceName[] {
  const texts = files.map((file) => readFileSync(resolve(root, file), 'utf8'));
  const names = Object.keys(services) as ServiceName[];
  return names.filter((name) =>
    texts.some((text) => text.includes(`/test/${name}/`) || text.includes(services[name].variable)),
  );
}

/** The services are made ready while the checks run. */
async function checkAndTest(
  files: readonly string[],
  isWhole: boolean,
  signal: AbortSignal,
): Promise<Totals[]> {
  const starting = startServices(neededServices(files), (message) => {
    process.stdout.write(`${message}\n`);
  });
  const checking = isWhole ? runChecks(signal) : undefined;
  await Promise.allSettled([starting, checking]);
  await using started = await starting;
  Object.assign(process.env, compileCache, started.variables);
  const checked = (await checking) ?? none;
  return [checked, files.length === 0 ? none : await runTests(files, signal)];
}

/** Each file is a process of its own and starts others: what one has compiled the others need not. Where Node keeps it by itself. */
const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };

async function runTests(files: readonly string[], signal: AbortSignal): Promise<Totals> {
  let totals = none;
  const seconds = new Map<string, number>();
  const stream = run({ files: [...files], cwd: root, concurrency, timeout: timeoutMs, signal });
  stream.on('test:summary', ({ file, counts, duration_ms }) => {
    if (file !== undefined) {
      seconds.set(relative(root, file), duration_ms / 1000);
      return;
    }
    totals = {
      passed: counts.passed,
      failed: counts.tests - counts.passed - counts.skipped - counts.todo,
      skipped: counts.skipped + counts.todo,
    };
  });
  for await (const chunk of stream.compose(spec)) process.stdout.write(chunk);
  reportSlowest(seconds);
  return totals;
}

/** Where the time goes. */
function reportSlowest(seconds: ReadonlyMap<string, number>): void {
  const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 10);
  if (seconds.size <= slowest.length) return;
  for (const [file, s] of slowest) process.stdout.write(`${s.toFixed(1).padStart(6)} s  ${file}\n`);
}

function report(totals: Totals): void {
  const refusesSkips = process.env.CI === 'true' && totals.skipped > 0;
  if (refusesSkips) process.stdout.write(`CI refuses skipped tests: ${totals.skipped} count as failed\n`);
  const failed = totals.failed + (refusesSkips ? totals.skipped : 0);
  const skipped = totals.skipped > 0 && !refusesSkips ? `, ${totals.skipped} skipped` : '';
  process.stdout.write(`${totals.passed} passed, ${failed} failed${skipped}\n`);
  if (failed > 0) process.exitCode = 1;
}

const selections = process.argv.slice(2);
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());

const files = findTestFiles(selections);
const [checked = none, tested = none] = await checkAndTest(files, selections.length === 0, stopping.signal);
if (tested.passed + tested.failed + tested.skipped === 0) {
  process.stdout.write('No test ran\n');
  process.exitCode = 1;
}
report({
  passed: checked.passed + tested.passed,
  failed: checked.failed + tested.failed,
  skipped: checked.skipped + tested.skipped,
});
