import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { jsonSchema } from '../message.ts';
import { checkItem } from './check-memory.ts';
import type { MemoryItem } from './memory.ts';

const sourceSchema = z.object({
  by: z.string(),
  taskId: z.string().exactOptional(),
  step: z.string().exactOptional(),
  isFromOutside: z.boolean(),
});
const metadataSchema = z.record(z.string(), jsonSchema);

/** JSON text of something. */
const textOfJson = (schema: z.ZodType) =>
  z.string().refine((text) => {
    try {
      return schema.safeParse(JSON.parse(text)).success;
    } catch {
      return false;
    }
  }, 'must be JSON of what a memory has there');
const rowSchema = z.object({
  namespace: z.string(),
  id: z.string(),
  agent: z.string().nullable(),
  session_id: z.string().nullable(),
  user_id: z.string().nullable(),
  text: z.string(),
  source: textOfJson(sourceSchema),
  metadata: textOfJson(metadataSchema).nullable(),
  created_at: z.number(),
  expires_at: z.number().nullable(),
} satisfies Record<keyof MemoryRow, z.ZodType>);

/** A memory as databases hold it; absent is null. */
export interface MemoryRow {
  namespace: string;
  id: string;
  agent: string | null;
  session_id: string | null;
  user_id: string | null;
  text: string;
  /** JSON. */
  source: string;
  metadata: string | null;
  created_at: number;
  expires_at: number | null;
}

/** Throws `invalid_argument`, naming the path, for what is no memory. */
export function memoryRow(memory: MemoryItem): MemoryRow {
  checkItem(memory);
  const { id, text, scope, source, ...item } = memory;
  return {
    namespace: scope.namespace,
    id,
    agent: scope.agent ?? null,
    session_id: scope.session ?? null,
    user_id: scope.user ?? null,
    text,
    source: JSON.stringify(source),
    metadata: item.metadata === undefined ? null : JSON.stringify(item.metadata),
    created_at: item.createdAt,
    expires_at: item.expiresAt ?? null,
  };
}

/** Throws `invalid_argument`, naming the path, for a row that no memory was written as. */
export function memoryOfRow(row: MemoryRow): MemoryItem {
  checkOptions('The row of a memory', rowSchema, row, 'invalid_argument');
  return {
    id: row.id,
    text: row.text,
    scope: {
      namespace: row.namespace,
      ...(row.agent !== null && { agent: row.agent }),
      ...(row.session_id !== null && { session: row.session_id }),
      ...(row.user_id !== null && { user: row.user_id }),
    },
    source: sourceSchema.parse(JSON.parse(row.source)),
    createdAt: row.created_at,
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
    ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) as MemoryItem['metadata'] & {} }),
  };
}
