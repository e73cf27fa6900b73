import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OpspawnError } from '@opspawn/agentkit';
import { defineConfig, type OpspawnConfig } from './user-config.ts';

export interface LoadedConfig {
  /** Absolute path of the file. */
  readonly path: string;
  readonly config: OpspawnConfig;
}

const fileNames = ['opspawn.config.ts', 'opspawn.config.mts', 'opspawn.config.js', 'opspawn.config.mjs'];

/** The nearest config file from `folder` upwards; undefined when there is none. */
export function findConfig(folder: string): string | undefined {
  for (let current = resolve(folder); ; current = dirname(current)) {
    const found = fileNames.map((name) => join(current, name)).find((path) => existsSync(path));
    if (found !== undefined || dirname(current) === current) return found;
  }
}

/**
 * Loads user code: the file at `path`, or the nearest one from the working directory upwards. Throws `config_invalid`
 * when there is none, it does not load, or what it exports is not valid; the message begins with `file:line`, as far
 * as the line is known.
 */
export async function loadConfig(path?: string): Promise<LoadedConfig> {
  const file = path === undefined ? findConfig(process.cwd()) : resolve(path);
  if (file === undefined) {
    throw new OpspawnError('config_invalid', `There is no ${fileNames[0]} in ${process.cwd()} or above it`);
  }
  if (!existsSync(file)) throw new OpspawnError('config_invalid', `There is no file ${file}`);
  try {
    const exported: { default?: OpspawnConfig } = await loaded(import(pathToFileURL(file).href));
    if (exported.default === undefined) {
      throw new OpspawnError('config_invalid', 'has no default export: export default defineConfig({ … })');
    }
    return { path: file, config: defineConfig(exported.default) };
  } catch (thrown) {
    throw await atPlace(file, thrown);
  }
}

/** Left alone with a top-level `await` that nothing settles, the process would end as if all were done. */
async function loaded<T>(loading: Promise<T>): Promise<T> {
  const { promise: stuck, reject } = Promise.withResolvers<never>();
  const onIdle = () =>
    reject(new OpspawnError('config_invalid', 'waits at its top level for something that never comes'));
  process.once('beforeExit', onIdle);
  try {
    return await Promise.race([loading, stuck]);
  } finally {
    process.off('beforeExit', onIdle);
  }
}

/** The same error with the file before its message, and the line where its `details.keys` or its stack say that it is. */
export async function atPlace(file: string, thrown: unknown): Promise<OpspawnError> {
  const shown = relative(process.cwd(), file).startsWith('..') ? file : relative(process.cwd(), file);
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const details = thrown instanceof OpspawnError ? thrown.details : {};
  const line = lineOfKeys(await readFile(file, 'utf8'), details) ?? lineOfStack(file, error);
  const place = line === undefined ? shown : `${shown}:${line}`;
  return new OpspawnError('config_invalid', `${place}: ${error.message}`, {
    cause: thrown,
    details: { ...details, file, ...(line === undefined ? {} : { line }) },
  });
}

/**
 * Where the keys stand in the source: each is looked for behind the one before it, since definitions are often nested;
 * one that is not found there may stand in a definition further up.
 */
function lineOfKeys(source: string, { keys, value }: Record<string, unknown>): number | undefined {
  if (!Array.isArray(keys)) return undefined;
  const words = keys.map(String).filter((key) => !/^\d+$/.test(key));
  const last = words.at(-1);
  if (last === undefined) return undefined;
  if (typeof value === 'string') {
    const written = new RegExp(`\\b${RegExp.escape(last)}\\s*:\\s*['"\`]${RegExp.escape(value)}['"\`]`, 'g');
    return lineAt(source, [...source.matchAll(written)].at(-1)?.index);
  }
  let offset = 0;
  for (const word of words) offset = offsetOfKey(source, word, offset) ?? offset;
  return lineAt(source, offsetOfKey(source, last, offset) ?? offsetOfKey(source, last, 0));
}

function offsetOfKey(source: string, key: string, from: number): number | undefined {
  const written = new RegExp(`(?<=[{,(\\s])(['"]?)${RegExp.escape(key)}\\1(?=\\s*[:,(}])`, 'g');
  written.lastIndex = from;
  return written.exec(source)?.index;
}

/** Errors that the file itself throws, or that its syntax is, say the line in their stack. */
function lineOfStack(file: string, { stack = '' }: Error): number | undefined {
  const at = stack.indexOf(file);
  const found = at === -1 ? undefined : /^:(\d+)/.exec(stack.slice(at + file.length))?.[1];
  return found === undefined ? undefined : Number(found);
}

const lineAt = (source: string, offset: number | undefined): number | undefined =>
  offset === undefined ? undefined : source.slice(0, offset).split('\n').length;
