import { z } from 'zod';
import { jsonSchema, messageSchema, usageSchema } from './message.ts';

const turn = z.int().positive();

/**
 * Everything an agent run tells while it runs. Under ops-core the `*.delta`, `*.started`, `*.progress`,
 * `plan.updated` and `step.reset` events are live only; the others are views of recorded entries.
 */
export const agentEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run.started'), agent: z.string(), model: z.string() }),
  z.object({ type: z.literal('turn.started'), turn }),
  z.object({ type: z.literal('text.delta'), turn, text: z.string() }),
  z.object({ type: z.literal('reasoning.delta'), turn, text: z.string() }),
  /** The step starts over: drop the deltas that were shown for it. */
  z.object({ type: z.literal('step.reset'), step: z.string(), reason: z.string() }),
  z.object({
    type: z.literal('model.finished'),
    turn,
    model: z.string(),
    message: messageSchema,
    usage: usageSchema,
    durationMs: z.number(),
  }),
  z.object({
    type: z.literal('tool.started'),
    turn,
    callId: z.string(),
    tool: z.string(),
    input: jsonSchema,
  }),
  z.object({ type: z.literal('tool.progress'), callId: z.string(), message: z.string() }),
  z.object({
    type: z.literal('tool.finished'),
    turn,
    callId: z.string(),
    tool: z.string(),
    output: jsonSchema,
    isError: z.boolean(),
    durationMs: z.number(),
  }),
  /** The conversation was handed to another agent. */
  z.object({ type: z.literal('agent.changed'), turn, from: z.string(), to: z.string() }),
  /** The plan of a planner that makes one, as a whole. */
  z.object({
    type: z.literal('plan.updated'),
    steps: z.array(z.object({ text: z.string(), status: z.enum(['pending', 'active', 'done', 'failed']) })),
  }),
  z.object({ type: z.literal('memory.compacted'), droppedMessages: z.int(), summaryTokens: z.int() }),
  z.object({ type: z.literal('run.finished'), output: jsonSchema, usage: usageSchema, turns: z.int() }),
  z.object({ type: z.literal('run.failed'), code: z.string(), message: z.string() }),
]);

export type AgentEvent = z.infer<typeof agentEventSchema>;
export type EventSink = (event: AgentEvent) => void;
