import { z } from 'zod';
import { jsonSchema } from '../message.ts';
import type { MemoryItem } from './memory.ts';

const sourceSchema = z.object({
  by: z.string(),
  taskId: z.string().exactOptional(),
  step: z.string().exactOptional(),
  isFromOutside: z.boolean(),
});
const metadataSchema = z.record(z.string(), jsonSchema);

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

export function memoryRow({ id, text, scope, source, ...item }: MemoryItem): MemoryRow {
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

export function memoryOfRow(row: MemoryRow): MemoryItem {
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
    ...(row.metadata !== null && { metadata: metadataSchema.parse(JSON.parse(row.metadata)) }),
  };
}
