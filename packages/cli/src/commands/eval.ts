import { access, constants, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  compareEvals,
  contains,
  type EvalComparison,
  type EvalReport,
  evalTable,
  exact,
  judge,
  type ModelRegistry,
  matchesSchema,
  missedThresholds,
  numeric,
  OpspawnError,
  parseEvalCases,
  parseEvalReport,
  runEval,
  type Scorer,
} from '@opspawn/agentkit';
import { createLog, loadConfig, openAgentParts } from '@opspawn/ops-core';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';
import { readJson, strictUtf8 } from '../read-input.ts';

interface EvalCommandOptions {
  json?: boolean;
  config?: string;
  data: string;
  scorer?: string[];
  threshold?: string[];
  concurrency: number;
  out?: string;
  compare?: string;
  allowDrop: number;
}

/** Exits with 1 when a threshold is missed, or a mean fell against the report that is compared with. */
export async function evaluate(name: string, options: EvalCommandOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const settings = settingsFrom({ logLevel: 'silent' });
  const loaded = await loadConfig(configPathFrom(options.config, settings));
  const agent = loaded.config.agents?.find((each) => each.name === name);
  if (agent === undefined) throw new OpspawnError('not_found', `The config defines no agent "${name}"`);
  const cases = parseEvalCases(await readText(options.data));
  const before = options.compare === undefined ? undefined : parseEvalReport(await readText(options.compare));
  if (options.out !== undefined) await checkWritable(options.out);
  const thresholds = Object.fromEntries((options.threshold ?? []).map(parseThreshold));
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort(new OpspawnError('cancelled', 'Stopped by Ctrl-C')));
  const { mcp, ...parts } = await openAgentParts({ settings, log: createLog({ level: 'silent' }) }, loaded);
  try {
    const own = loaded.config.scorers ?? [];
    const scorers = await Promise.all(
      (options.scorer ?? ['exact']).map((each) => parseScorer(each, parts.models, own)),
    );
    checkScorersOf(thresholds, scorers);
    const report = await runEval({
      agent,
      cases,
      scorers,
      concurrency: options.concurrency,
      run: { ...parts, ...(mcp && { mcp }) },
      signal: stopping.signal,
      onCase: progressTo(output.talk, cases.length),
    });
    const comparison = before && compareEvals(before, report);
    if (options.out !== undefined) await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
    const misses = missesOf(report, thresholds, comparison, options.allowDrop);
    output.record({ ...report, ...(comparison && { comparison }), misses }, () =>
      evalTable(report, comparison),
    );
    for (const miss of misses) output.talk(miss);
    if (misses.length > 0) process.exitCode = 1;
  } finally {
    await mcp?.[Symbol.asyncDispose]();
  }
}

async function readText(path: string): Promise<string> {
  try {
    return strictUtf8().decode(await readFile(path));
  } catch (cause) {
    const message = `${path} cannot be read: ${(cause as Error).message}`;
    throw new OpspawnError('invalid_argument', message, { cause });
  }
}

/** Before anything costs money. */
async function checkWritable(path: string): Promise<void> {
  try {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory()) throw new Error('it is a folder');
    await access(there === undefined ? dirname(path) : path, constants.W_OK);
  } catch (cause) {
    const message = `${path} cannot be written: ${(cause as Error).message}`;
    throw new OpspawnError('invalid_argument', message, { cause });
  }
}

function parseThreshold(text: string): [scorer: string, least: number] {
  const [, scorer, number] = /^([^=]+)=(\d*\.?\d+)$/.exec(text) ?? [];
  if (scorer !== undefined && Number(number) <= 1) return [scorer, Number(number)];
  throw new OpspawnError('invalid_argument', `${text} is no threshold: --threshold exact=0.9`);
}

/** Before anything costs money. */
function checkScorersOf(thresholds: Readonly<Record<string, number>>, scorers: readonly Scorer[]): void {
  const names = scorers.map((scorer) => scorer.name);
  const unknown = Object.keys(thresholds).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const message = `--threshold ${unknown}: no scorer of that name scores here, only ${names.join(', ')}`;
  throw new OpspawnError('invalid_argument', message);
}

async function parseScorer(text: string, models: ModelRegistry, own: readonly Scorer[]): Promise<Scorer> {
  const [kind = '', value] = text.split(/=(.*)/s);
  const found = own.find((scorer) => scorer.name === text);
  if (found !== undefined) return found;
  switch (kind) {
    case 'exact':
      return exact;
    case 'contains':
      return contains;
    case 'numeric':
      return numeric(value === undefined ? {} : { tolerance: Number(value) });
    case 'json-schema':
      if (value !== undefined) return matchesSchema(await readJson('--scorer', value));
      break;
    case 'judge':
      return judge({ models, ...(value !== undefined && { model: value }) });
    default:
  }
  const names = ['exact', 'contains', 'numeric[=TOLERANCE]', 'json-schema=SCHEMA', 'judge[=MODEL]'];
  const known = [...names, ...own.map((scorer) => scorer.name)].join(', ');
  throw new OpspawnError('invalid_argument', `There is no scorer ${text}. Known: ${known}`);
}

function missesOf(
  report: EvalReport,
  thresholds: Readonly<Record<string, number>>,
  comparison: EvalComparison | undefined,
  allowedDrop: number,
): string[] {
  const missed = missedThresholds(report, thresholds).map(({ scorer, wanted, got }) =>
    got === undefined ? `There is no scorer ${scorer}` : `${scorer} is ${got}, and has to be ${wanted}`,
  );
  const fallen = Object.entries(comparison?.scores ?? {})
    .filter(([, { before, after }]) => after < before - allowedDrop)
    .map(([scorer, { before, after }]) => `${scorer} fell from ${before} to ${after}`);
  return [...missed, ...fallen];
}

/** In a terminal one line that counts, elsewhere nothing. */
function progressTo(talk: (text: string) => void, total: number): (result: unknown, done: number) => void {
  if (!process.stderr.isTTY) return () => {};
  return (_, done) => {
    process.stderr.write(`\r${done} of ${total}`);
    if (done === total) talk('');
  };
}
