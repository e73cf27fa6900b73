/**
 * What a pool says to its processes, one JSON text a line. Requests go to the process's descriptor 4 and replies come
 * from its descriptor 5, so that nothing that a tool prints gets in between.
 */
import type { Json } from '../../json.ts';

export const requestDescriptor = 4;
export const replyDescriptor = 5;

export type ProcessRequest =
  /** The first one. */
  | { type: 'load'; module: string }
  | {
      type: 'call';
      call: number;
      input: Json;
      callId: string;
      idempotencyKey: string;
      secrets: Readonly<Record<string, string>>;
      context?: unknown;
      maxOutputBytes: number;
    }
  | { type: 'abort'; call: number; reason: string };
