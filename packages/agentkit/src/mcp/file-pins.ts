import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import { jsonSchema } from '../message.ts';
import { decideIn, listIn, type PinTable, reviewIn, type ToolPins } from './tool-pins.ts';

const pinSchema = z.strictObject({
  server: z.string(),
  tool: z.string(),
  digest: z.string(),
  definition: jsonSchema,
  status: z.enum(['approved', 'quarantined']),
  seenAt: z.number(),
  decidedBy: z.string().optional(),
  decidedAt: z.number().optional(),
});
const fileSchema = z.strictObject({
  version: z.literal(1),
  pins: z.record(z.string(), z.array(pinSchema)),
});

/**
 * Pins in a JSON file, which can stand beside the code under version control. It is read before every use, so that an
 * approval by another process counts at once, and replaced as a whole. Two processes that see new definitions in the
 * same moment may record those of one only; the others are recorded when they are seen next. Throws `config_invalid`
 * for a file that is no such file, rather than trusting everything anew.
 */
export function filePins(path: string): ToolPins {
  if (typeof path !== 'string' || path === '')
    throw new OpspawnError('config_invalid', 'filePins takes the path of a file');
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: (table: PinTable) => Promise<T>): Promise<T> => {
    const turn = last.then(async () => work(await readTable(path)));
    last = turn.catch(() => {});
    return turn;
  };
  return {
    review: (seen) =>
      inTurn(async (table) => {
        const { approved, isChanged } = reviewIn(table, seen, Date.now());
        if (isChanged) await writeTable(path, table);
        return approved;
      }),
    list: (of) => inTurn(async (table) => listIn(table, of)),
    decide: (decision) =>
      inTurn(async (table) => {
        const decided = decideIn(table, decision, Date.now());
        if (decided.length > 0) await writeTable(path, table);
        return decided;
      }),
  };
}

async function readTable(path: string): Promise<PinTable> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw invalid(path, (cause as Error).message, cause);
  }
  try {
    // a strict schema: what stands in the file is a table, optional fields that are undefined aside
    return fileSchema.parse(JSON.parse(text)).pins as PinTable;
  } catch (cause) {
    throw invalid(path, cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause), cause);
  }
}

async function writeTable(path: string, pins: PinTable): Promise<void> {
  const draft = `${path}.${randomUUID()}.tmp`;
  await writeFile(draft, `${JSON.stringify({ version: 1, pins }, undefined, 2)}\n`);
  await rename(draft, path);
}

const invalid = (path: string, reason: string, cause: unknown): OpspawnError =>
  new OpspawnError('config_invalid', `${path} is no file of tool pins: ${reason}`, { cause });
