import { type Client, type NamespaceSettings, OpspawnError } from '@opspawn/sdk';
import { namedNamespace } from '../connect.ts';
import { createOutput, formatDuration } from '../output.ts';
import { withOperator } from '../with-client.ts';
import { type CommandOptions, withoutUndefined } from './task.ts';

const dayMs = 24 * 3_600_000;

interface GetOptions extends CommandOptions {
  /** Absent: that of the key. */
  namespace?: string;
}

interface SetOptions extends GetOptions {
  keepCompleted?: string;
  keepFailed?: string;
  keepCancelled?: string;
  maxPending?: string;
  maxPerMinute?: string;
  maxPayloadBytes?: string;
  weight?: string;
}

export async function get(options: GetOptions): Promise<void> {
  show(await withOperator(options, (client) => settingsOf(client, options).get()), options);
}

function settingsOf(client: Client, options: GetOptions) {
  const namespace = namedNamespace(options);
  if (namespace === undefined) return client.settings;
  return {
    get: () => client.namespaces.getSettings(namespace),
    set: (settings: NamespaceSettings) => client.namespaces.setSettings(namespace, settings),
  };
}

/** Only what is named changes. */
export async function set(options: SetOptions): Promise<void> {
  const { keepCompleted, keepFailed, keepCancelled, maxPending, maxPerMinute, maxPayloadBytes, weight } =
    options;
  const retention = {
    completedMs: kept('--keep-completed', keepCompleted),
    failedMs: kept('--keep-failed', keepFailed),
    cancelledMs: kept('--keep-cancelled', keepCancelled),
  };
  const quotas = {
    pendingTasks: quota('--max-pending', maxPending),
    submissionsPerMinute: quota('--max-per-minute', maxPerMinute),
    payloadBytes: quota('--max-payload-bytes', maxPayloadBytes),
  };
  if (Object.values({ ...retention, ...quotas, weight }).every((change) => change === undefined))
    throw new OpspawnError(
      'invalid_argument',
      'Say what to change; "opspawn settings set --help" lists it, and "opspawn settings get" shows what is set',
    );
  const settings = await withOperator(options, async (client) => {
    const ofNamespace = settingsOf(client, options);
    return await againWhenChanged(async () => {
      const known = await ofNamespace.get();
      return await ofNamespace.set({
        ...withoutUndefined({ revision: known.revision }),
        ...changed({ weight: known.weight }, { weight: quota('--weight', weight) }),
        retention: changed(known.retention, retention),
        quotas: changed(known.quotas, quotas),
      });
    });
  });
  show(settings, options);
}

/** Of those who change them at the same time one gets through each time. */
const mostTries = 100;

async function againWhenChanged<Result>(change: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await change();
    } catch (error) {
      const isChanged = error instanceof OpspawnError && error.code === 'wrong_state';
      if (!isChanged || tries === mostTries) throw error;
    }
  }
}

/** Takes what was set away. */
const removed = 'removed';
type Change<Value> = Value | typeof removed | undefined;

function changed<Key extends string, Value>(
  known: Partial<Record<Key, Value>> | undefined,
  changes: Record<Key, Change<Value>>,
): Partial<Record<Key, Value>> {
  const kept = Object.entries({ ...known, ...withoutUndefined(changes) });
  return Object.fromEntries(kept.filter(([, value]) => value !== removed)) as Partial<Record<Key, Value>>;
}

function kept(option: string, text: string | undefined): Change<number | null> {
  if (text === undefined) return undefined;
  if (text === 'default') return removed;
  // For ever in the variables OPSPAWN_KEEP_…, and here it would delete everything.
  if (/^0+$/.test(text))
    throw new OpspawnError(
      'invalid_argument',
      `${option} must be at least 1 day; say "forever" to delete nothing`,
    );
  return text === 'forever' ? null : Math.round(number(option, text, 'days, "forever" or "default"') * dayMs);
}

function quota(option: string, text: string | undefined): Change<number> {
  if (text === undefined) return undefined;
  return text === 'none' ? removed : number(option, text, 'a whole number or "none"');
}

function number(option: string, text: string, wanted: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new OpspawnError('invalid_argument', `${option} must be ${wanted}, and is ${text}`);
}

/** The API takes milliseconds. */
function length(keptMs: number): string {
  if (keptMs % dayMs !== 0) return formatDuration(keptMs);
  return keptMs === dayMs ? '1 day' : `${keptMs / dayMs} days`;
}

function show(settings: NamespaceSettings, { json }: CommandOptions): void {
  const { retention = {}, quotas = {}, weight = 1 } = settings;
  const days = (keptMs: number | null | undefined): string =>
    keptMs === undefined ? 'as the server is set' : keptMs === null ? 'for ever' : length(keptMs);
  const most = (count: number | undefined): string => (count === undefined ? 'no limit' : String(count));
  const lines = [
    `keeps completed tasks   ${days(retention.completedMs)}`,
    `keeps failed tasks      ${days(retention.failedMs)}`,
    `keeps cancelled tasks   ${days(retention.cancelledMs)}`,
    `pending tasks           ${most(quotas.pendingTasks)}`,
    `submissions a minute    ${most(quotas.submissionsPerMinute)}`,
    `bytes of an input       ${most(quotas.payloadBytes)}`,
    `weight                  ${weight}`,
  ];
  createOutput({ json: json === true }).record(settings, () => lines.join('\n'));
}
