import { jsonSchema } from '@opspawn/agentkit/schema';
import type { z } from 'zod';
import { entrySchema } from './entry.ts';
import { taskSchema } from './task.ts';

/** What each server-sent event carries, by the event's name. Only `entry` and `end` have an id. */
export const watchEventData = {
  /** A journal entry. The event's id is its `seq`. */
  entry: entrySchema,
  /** What happens between two entries (for agents an AgentEvent): not recorded, not sent again. */
  live: jsonSchema,
  /** The task, first as it stands and then whenever its status changed, while it is unfinished. */
  status: taskSchema,
  /** The finished task, last of all. Reconnecting with this event's id gives 204, which stops an EventSource. */
  end: taskSchema,
} as const satisfies Record<string, z.ZodType>;

export type WatchEventName = keyof typeof watchEventData;

/** One event of a watched task. */
export type WatchEvent = {
  [Name in WatchEventName]: { type: Name; data: z.infer<(typeof watchEventData)[Name]> };
}[WatchEventName];
