import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defaultModelSpec, isolationTiers, toOpspawnError } from '@opspawn/agentkit';
import {
  checkBroker,
  describeDatabase,
  loadConfig,
  readDatabaseStatus,
  type Settings,
  withoutPassword,
} from '@opspawn/ops-core';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput, style } from '../output.ts';

interface DoctorOptions {
  json?: boolean;
  config?: string;
  data?: string;
  database?: string;
}

interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failed';
  detail: string;
}

const marks = { ok: 'ok', warning: 'warning', failed: 'FAILED' } as const;

/** Looks at what Opspawn needs. Exits with 1 when something is missing without which it does not work. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const settings = settingsFrom(options);
  const findings = [
    checkNode(),
    ...(settings.database.kind === 'sqlite' ? [checkDataFolder(dirname(settings.database.path))] : []),
    ...(isToBeMade(settings) ? [] : [await checkDatabase(settings)]),
    ...(settings.brokerUrl === undefined ? [] : [await checkBrokerAt(settings.brokerUrl)]),
    ...(await checkIsolation()),
    await checkConfig(configPathFrom(options.config, settings)),
    checkModel(),
  ];
  output.records(
    findings,
    [
      { header: 'CHECK', value: ({ check }) => check },
      { header: 'STATE', value: ({ state }) => marks[state] },
      { header: 'DETAIL', value: ({ detail }) => detail, shrinks: true },
    ],
    '',
  );
  const failed = findings.filter(({ state }) => state === 'failed').length;
  if (failed === 0) return;
  output.talk(style('red', `${failed} of ${findings.length} checks failed.`, process.stderr));
  process.exitCode = 1;
}

function checkNode(): Finding {
  const isNew = Number.parseInt(process.versions.node, 10) >= 26;
  return {
    check: 'node',
    state: isNew ? 'ok' : 'failed',
    detail: `${process.version} (${process.execPath})`,
  };
}

const isToBeMade = ({ database }: Settings): boolean =>
  database.kind === 'sqlite' && !existsSync(database.path);

async function checkDatabase({ database }: Settings): Promise<Finding> {
  const place = describeDatabase(database);
  try {
    const { engine, schema, moved } = await readDatabaseStatus(database);
    if (schema.version > schema.known)
      return { check: 'database', state: 'failed', detail: `${place}: its schema is of a later version` };
    if (moved !== undefined)
      return { check: 'database', state: 'failed', detail: `${place}: its data was moved to ${moved.to}` };
    const pending = schema.pending.length === 0 ? '' : ', and every start brings it up to date';
    return {
      check: 'database',
      state: 'ok',
      detail: `${place}: ${engine}, schema ${schema.version}${pending}`,
    };
  } catch (thrown) {
    const { message, details } = toOpspawnError(thrown);
    const hint = typeof details.hint === 'string' ? ` ${details.hint}` : '';
    return { check: 'database', state: 'failed', detail: `${place}: ${message}.${hint}` };
  }
}

function checkDataFolder(folder: string): Finding {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  try {
    rmSync(mkdtempSync(join(existing, '.opspawn-doctor-')), { recursive: true });
    const { bavail, bsize } = statfsSync(existing);
    const freeMb = Math.floor((bavail * bsize) / 1024 ** 2);
    const detail = `${folder}${existing === folder ? '' : ' (will be made)'}, ${freeMb} MB free`;
    return { check: 'data folder', state: freeMb < 100 ? 'warning' : 'ok', detail };
  } catch (error) {
    return { check: 'data folder', state: 'failed', detail: `${folder}: ${(error as Error).message}` };
  }
}

/** A tier that is missing stops only the tools that ask for it. */
async function checkIsolation(): Promise<Finding[]> {
  const tiers = await isolationTiers();
  return tiers
    .filter(({ tier }) => tier !== 'inline')
    .map(({ tier, isAvailable, detail }) => ({
      check: `tier ${tier}`,
      state: isAvailable ? 'ok' : 'warning',
      detail,
    }));
}

async function checkBrokerAt(url: string): Promise<Finding> {
  const place = withoutPassword(url);
  try {
    const link = await checkBroker(url);
    if (link.isLinked) return { check: 'broker', state: 'ok', detail: place };
    const why = link.reason === undefined ? '' : ` (${link.reason})`;
    return {
      check: 'broker',
      state: 'warning',
      detail: `${place} is away${why}: workers look for work about once a second`,
    };
  } catch (thrown) {
    return { check: 'broker', state: 'failed', detail: toOpspawnError(thrown).message };
  }
}

async function checkConfig(path: string | undefined): Promise<Finding> {
  if (path === undefined) {
    return {
      check: 'config',
      state: 'warning',
      detail: 'no opspawn.config.ts here: there is nothing to run',
    };
  }
  try {
    const { config } = await loadConfig(path);
    const counts = (['agents', 'functions', 'workflows'] as const).map(
      (kind) => `${config[kind]?.length ?? 0} ${kind}`,
    );
    return { check: 'config', state: 'ok', detail: `${path}: ${counts.join(', ')}` };
  } catch (thrown) {
    return { check: 'config', state: 'failed', detail: toOpspawnError(thrown).message };
  }
}

function checkModel(): Finding {
  try {
    const model = defaultModelSpec(process.env);
    if (model !== undefined)
      return { check: 'model', state: 'ok', detail: `${model} (from the environment)` };
    return {
      check: 'model',
      state: 'warning',
      detail: 'no key is set: agents without a model of their own cannot run',
    };
  } catch (thrown) {
    return { check: 'model', state: 'failed', detail: toOpspawnError(thrown).message };
  }
}
