import { existsSync, readFileSync } from 'node:fs';
import type { Entry } from '@opspawn/sdk';
import { labelOf } from '../../packages/cli/src/describe-entry.ts';

/** What the journal says, and what those say who were called. */
export interface Evidence {
  /** Steps with a recorded result. */
  steps: number;
  /** Of them, recorded by the worker that was killed. */
  stepsOfFirst: number;
  /** Calls that arrived at the MCP server, by its own count. */
  serverCalls: number;
  /** Turns that the rules were asked for, by their own count. None when the model is a real one. */
  turns: number;
  /** Calls that arrived again: they were under way at the kill and had no result. */
  again: string[];
  /** Steps that were recorded twice, or called again although they were recorded. There must be none. */
  repeated: string[];
}

/** One line for each call, written by who was called. */
export function readCalls(ledger: string): string[] {
  const lines = existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').filter(Boolean) : [];
  return lines.map((line) => (JSON.parse(line) as { call: string }).call);
}

export function weigh(journal: readonly Entry[], calls: readonly string[]): Evidence {
  const results = journal.filter(({ type }) => type === 'step.completed' || type === 'step.failed');
  const steps = Map.groupBy(results, (entry) => callOf(entry, journal));
  const arrived = Map.groupBy(calls, (call) => call);
  // A model may well ask for the same thing in two steps; more calls than steps are calls that were made again.
  const again = [...arrived]
    .filter(([call, { length }]) => length > (steps.get(call)?.length ?? 0))
    .map(([call]) => call);
  return {
    steps: results.length,
    stepsOfFirst: results.filter(({ attempt }) => attempt === 1).length,
    serverCalls: calls.filter((call) => !isTurn(call)).length,
    turns: calls.filter(isTurn).length,
    again,
    repeated: [
      ...twice(results.map(labelOf)),
      ...again.filter((call) => steps.get(call)?.every(({ attempt }) => attempt === 1)),
    ],
  };
}

const isTurn = (call: string): boolean => call.startsWith('model turn ');
const twice = (values: readonly string[]): string[] =>
  values.filter((value, index) => values.indexOf(value) < index);

/** A step in the words of the ledger: `model turn 3`, or `read_text_file notes/ideas.txt`. */
function callOf(entry: Entry, journal: readonly Entry[]): string {
  const [tool = '', turn, ...callId] = labelOf(entry).split(':');
  if (tool === 'model') return `model turn ${turn}`;
  const { input } = toolCalls(journal).find((call) => call.callId === callId.join(':')) ?? {};
  return `${tool.replace('filesystem__', '')} ${input?.path ?? ''}`;
}

interface Call {
  callId: string;
  input?: { path?: string };
}

function toolCalls(journal: readonly Entry[]): Call[] {
  return journal.flatMap(({ data }) => {
    const { kind, value } = (data ?? {}) as { kind?: string; value?: { message: { content: unknown[] } } };
    return kind === 'llm' ? ((value?.message.content ?? []) as Call[]) : [];
  });
}
