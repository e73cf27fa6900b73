import { randomUUIDv7 } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { defaultModelSpec, type Model, OpspawnError } from '@opspawn/agentkit';
import { loadConfig, type OpspawnConfig } from '@opspawn/ops-core';
import type { CreateTask, Task, TaskKind } from '@opspawn/sdk';
import { type CampaignOptions, killsOf, runBaseline, runCrashes } from '../crash-test/campaign.ts';
import { summarize, summaryText } from '../crash-test/summary.ts';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';
import { parseJson, readTaskInput } from '../read-input.ts';

interface CrashTestOptions {
  json?: boolean;
  input?: string;
  config?: string;
  kind?: TaskKind;
  maxBoundaries?: number;
  signal?: string[];
  timeout: number;
  yes?: boolean;
}

/** Exits with 0 only when nothing was lost, repeated, silently done twice or asked for out of its turn. */
export async function crashTest(
  name: string,
  positional: string | undefined,
  options: CrashTestOptions,
): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const input = await readTaskInput(positional, options.input);
  const { path: configPath, config } = await loadConfig(configPathFrom(options.config, settingsFrom({})));
  const kind = findKind(config, name, options.kind);
  const model = kind === 'agent' ? paidModel(config, name) : undefined;
  if (model !== undefined && !options.yes) throw costsMoney(name, model);
  const request: CreateTask = {
    name,
    kind,
    idempotencyKey: 'crash-test',
    ...(input === undefined ? {} : { input }),
  };
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort(new OpspawnError('cancelled', 'Stopped by Ctrl-C')));
  process.once('SIGTERM', () => stopping.abort(new OpspawnError('cancelled', 'Stopped by SIGTERM')));
  const campaign: CampaignOptions = {
    configPath,
    request,
    signals: (options.signal ?? []).map(parseSignal),
    ...(options.maxBoundaries === undefined ? {} : { maxBoundaries: options.maxBoundaries }),
    timeoutMs: options.timeout * 1000,
    concurrency: Math.min(4, availableParallelism()),
    signal: stopping.signal,
    onProgress: progressTo(output.talk),
  };
  output.talk(`Running ${kind} ${name} without a crash …`);
  const baseline = await runBaseline(campaign);
  const kills = killsOf(baseline, options.maxBoundaries);
  output.talk(
    `It is ${describeEnd(baseline.task)} after ${baseline.boundaries.length} writes and ${baseline.effects.length} effects. ` +
      `Killing it in ${kills.length} places …`,
  );
  const summary = summarize({ kind, name }, baseline, await runCrashes(kills, campaign));
  output.record(summary, () => summaryText(summary));
  if (!summary.passed) process.exitCode = 1;
}

const describeEnd = ({ status, waits }: Task): string =>
  status === 'waiting'
    ? `waiting for ${waits.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`
    : status;

/** `NAME` or `NAME=JSON`. */
function parseSignal(text: string): CampaignOptions['signals'][number] {
  const [, name = text, json] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  return { name, id: randomUUIDv7(), ...(json === undefined ? {} : { data: parseJson('--signal', json) }) };
}

function findKind(config: OpspawnConfig, name: string, asked: TaskKind | undefined): TaskKind {
  const shelves = { agent: config.agents, function: config.functions, workflow: config.workflows };
  const known = Object.entries(shelves).flatMap(([kind, definitions]) =>
    (definitions ?? []).map((definition) => ({ kind: kind as TaskKind, name: definition.name })),
  );
  const found = known.filter((each) => each.name === name && (asked ?? each.kind) === each.kind);
  if (found.length === 1 && found[0] !== undefined) return found[0].kind;
  if (found.length > 1) {
    throw new OpspawnError(
      'invalid_argument',
      `"${name}" is ${found.map(({ kind }) => kind).join(' and ')}: say which with --kind`,
    );
  }
  const list = known.map((each) => `${each.kind} ${each.name}`).join(', ') || 'nothing';
  throw new OpspawnError(
    'not_found',
    `The config defines no ${asked ?? 'agent, function or workflow'} "${name}"`,
    {
      details: { hint: `It defines: ${list}.` },
    },
  );
}

/** The first of the agent's models that is not known to cost nothing. */
function paidModel({ agents = [] }: OpspawnConfig, name: string): string | undefined {
  const model = agents.find((agent) => agent.name === name)?.model ?? 'default';
  const models = (Array.isArray(model) ? model : [model]) as readonly (string | Model)[];
  const isFree = (each: string | Model): boolean =>
    typeof each === 'string'
      ? /^(?:scripted|cassette)\//.test(each)
      : each.price?.inputMicroUsd === 0 && each.price.outputMicroUsd === 0;
  const paid = models.find((each) => !isFree(each));
  const id = typeof paid === 'string' ? paid : paid?.id;
  return id === 'default' ? defaultModelSpec(process.env) : id;
}

const costsMoney = (name: string, model: string): OpspawnError =>
  new OpspawnError('invalid_argument', `${name} uses ${model}, and a crash test runs it dozens of times`, {
    details: { hint: 'Use a scripted model for crash tests, or say --yes if the cost is fine.' },
  });

/** In a terminal one line that counts, elsewhere nothing. */
function progressTo(talk: (text: string) => void): CampaignOptions['onProgress'] {
  if (!process.stderr.isTTY) return () => {};
  return (done, total) => {
    process.stderr.write(`\r${done} of ${total}`);
    if (done === total) talk('');
  };
}
