import type { Entry } from '@opspawn/sdk';
import { oneLine } from './output.ts';

/** An entry of a journal in words for people, still with whatever its values hold: make it printable. */
export interface EntryDescription {
  /** `model`, `tool`, `step`, `sleep`, …, or what happened to the task. */
  kind: string;
  subject: string;
  detail: string;
  ok: boolean;
  durationMs?: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** Describes entries one after the other: a tool's arguments are found in the model's answer before it. */
export function createEntryDescriber(): (entry: Entry) => EntryDescription {
  const inputs = new Map<string, string>();
  return (entry) => {
    const data = fieldsOf(entry.data);
    for (const call of toolCalls(data.value)) inputs.set(call.callId, summarize(call.input));
    return describe(entry, data, inputs);
  };
}

function describe(entry: Entry, data: Fields, inputs: ReadonlyMap<string, string>): EntryDescription {
  const subject = labelOf(entry);
  switch (entry.type) {
    case 'step.completed':
    case 'step.failed':
      return describeResult(entry, data, inputs);
    case 'step.intended': {
      const tool = data.kind === 'tool';
      const detail = tool ? (inputs.get(callIdOf(subject)) ?? '') : summarize(data.intent);
      return {
        kind: 'intent',
        subject: tool ? toolOf(subject) : subject,
        detail: `about to run ${detail}`,
        ok: true,
      };
    }
    case 'step.reopened':
    case 'step.superseded':
      return { kind: 'step', subject, detail: `entry ${data.ref} counts no more`, ok: true };
    case 'wait.opened':
      return {
        kind: 'waits',
        subject: `${data.kind} ${askedName(data.kind, subject)}`.trim(),
        detail: waitDetail(data),
        ok: true,
      };
    case 'doubt.evidence':
      return {
        kind: 'doubt',
        subject,
        detail: `an earlier attempt reported ${summarize(data.evidence)}`,
        ok: true,
      };
    case 'doubt.resolved':
      return { kind: 'doubt', subject, detail: `${String(data.by)} says ${String(data.action)}`, ok: true };
    case 'log':
      return {
        kind: 'log',
        subject: String(data.level),
        detail: String(data.message),
        ok: data.level !== 'error',
      };
    case 'task.failed':
    case 'attempt.failed':
      return { kind: 'task', subject: entry.type.slice(5), detail: failureDetail(data), ok: false };
    default:
      return {
        kind: 'task',
        subject: entry.type.replace(/^task\./, ''),
        detail: summarize(data.reason ?? data.output),
        ok: true,
      };
  }
}

function describeResult(entry: Entry, data: Fields, inputs: ReadonlyMap<string, string>): EntryDescription {
  const recordKind = typeof data.kind === 'string' ? data.kind : 'step';
  const ok = entry.type === 'step.completed';
  const label = labelOf(entry);
  const timing =
    typeof data.startedAt === 'number' ? { durationMs: Math.max(0, entry.at - data.startedAt) } : {};
  const tries = typeof data.tries === 'number' ? ` (${data.tries} tries)` : '';
  const failure = ok ? '' : errorText(data.error);
  if (recordKind === 'llm') {
    const detail = ok ? modelDetail(data.value) : failure;
    return {
      kind: 'model',
      subject: label.replace(/^model:/, 'turn ').replace(/^compact:/, 'summary before turn '),
      detail: detail + tries,
      ok,
      ...timing,
    };
  }
  if (recordKind === 'tool') {
    const input = inputs.get(callIdOf(label)) ?? '';
    // a round of a call that goes on when a person has answered
    const isAsking = fieldsOf(data.error).code === 'input_required';
    const detail = ok ? input : isAsking ? `${input} asks a person` : `${input} ${failure}`;
    return { kind: 'tool', subject: toolOf(label), detail: detail + tries, ok: ok || isAsking, ...timing };
  }
  return {
    kind: recordKind,
    subject: askedName(recordKind, label),
    detail: (ok ? summarize(data.value) : failure) + tries,
    ok,
    ...timing,
  };
}

/** `name`, or `branch/name#count` for what is not the first of its name at the root. */
export function labelOf({
  branch = '',
  name = '',
  count = 1,
}: Pick<Entry, 'branch' | 'name' | 'count'>): string {
  return `${branch === '' ? '' : `${branch}/`}${name}${count === 1 ? '' : `#${count}`}`;
}

/** A wait is recorded as `signal:NAME`, a sleep as `sleep`. */
const askedName = (kind: unknown, label: string): string =>
  label === kind ? '' : label.replace(`${kind}:`, '');

/** A tool's step is named `TOOL:TURN:CALL_ID`. */
const toolOf = (label: string): string => label.split(':')[0] ?? label;
const callIdOf = (label: string): string => label.split(':').slice(2).join(':');

function modelDetail(value: unknown): string {
  const calls = toolCalls(value);
  if (calls.length === 0) return textOf(value);
  const names = [...Map.groupBy(calls, (call) => call.tool)].map(([tool, group]) =>
    group.length === 1 ? tool : `${group.length} × ${tool}`,
  );
  const said = textOf(value).trim();
  return `${said === '' ? '' : `${said} `}→ ${names.join(', ')}`;
}

interface Call {
  callId: string;
  tool: string;
  input: unknown;
}

const contentOf = (value: unknown): Fields[] => {
  const { content } = fieldsOf(fieldsOf(value).message);
  return Array.isArray(content) ? content.map(fieldsOf) : [];
};

const toolCalls = (value: unknown): Call[] =>
  contentOf(value).flatMap(({ type, callId, tool, input }) =>
    type === 'tool-call' ? [{ callId: String(callId), tool: String(tool), input }] : [],
  );

const textOf = (value: unknown): string =>
  contentOf(value)
    .map(({ type, text }) => (type === 'text' ? String(text) : ''))
    .join('');

function waitDetail(data: Fields): string {
  if (data.kind === 'doubt') return 'begun, and its result is not recorded';
  if (typeof data.dueAt === 'number') return `until ${new Date(data.dueAt).toISOString()}`;
  return summarize(data.prompt ?? data.payload);
}

function failureDetail(data: Fields): string {
  const again = typeof data.retryInMs === 'number' ? `; again in ${data.retryInMs} ms` : '';
  return errorText(data.error) + again;
}

function errorText(error: unknown): string {
  const { code, message } = fieldsOf(error);
  return `${String(message)} [${String(code)}]`;
}

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const longest = 400;

/** A value on one line. An object with one short field is shown by that alone. */
function summarize(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return oneLine(value, longest);
  const fields = Object.values(value);
  if (!Array.isArray(value) && fields.length === 1 && typeof fields[0] === 'string')
    return oneLine(fields[0], longest);
  return oneLine(JSON.stringify(value).slice(0, 2 * longest), longest);
}
