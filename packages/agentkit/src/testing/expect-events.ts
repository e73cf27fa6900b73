import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { type AgentEvent, agentEventSchema } from '../event.ts';

/** An event of which only the keys that matter are given, at every depth. Lists are compared as a whole. */
export type EventPattern = {
  [Type in AgentEvent['type']]: PatternOf<Extract<AgentEvent, { type: Type }>>;
}[AgentEvent['type']];
type PatternOf<Event> = Partial<{ [Key in keyof Event]: unknown }> & Pick<Event, 'type' & keyof Event>;

export interface ExpectEventsOptions {
  /** Nothing else may stand between them, before or after. Default false. */
  exactly?: boolean;
}

const eventTypes = agentEventSchema.options.map(({ shape }) => shape.type.value);
const patternSchema = z.looseObject({ type: z.enum(eventTypes) });
const eventsSchema = z.array(
  z.looseObject({ type: z.string() }),
  'must be a list, as collectEvents().events is',
);
const optionsSchema = z.strictObject({
  exactly: z.boolean().optional(),
} satisfies Record<keyof ExpectEventsOptions, z.ZodType>);

/**
 * Throws node:assert's `AssertionError` unless the events hold one for each pattern, in this order. The message names the
 * first pattern that found none, and shows the events. Throws `config_invalid` for what are no events, patterns or options.
 */
export function expectEvents(
  events: readonly AgentEvent[],
  expected: readonly EventPattern[],
  options: ExpectEventsOptions = {},
): void {
  checkOptions('The list of events', eventsSchema, events);
  checkOptions('The list of expected events', z.array(patternSchema), expected);
  checkOptions('The expectation', optionsSchema, options);
  const { exactly = false } = options;
  let next = 0;
  for (const [index, pattern] of expected.entries()) {
    const found = events.findIndex((event, at) => at >= next && matches(event, pattern));
    if (found === -1)
      throw missing(events, expected, `no event ${index + 1} of ${expected.length}: ${show(pattern)}`);
    if (exactly && found > next) throw missing(events, expected, `not expected: ${show(events[next])}`);
    next = found + 1;
  }
  if (exactly && next < events.length) throw missing(events, expected, `not expected: ${show(events[next])}`);
}

/** Throws `AssertionError` when an event matches, `config_invalid` for what are no events or no pattern of one. */
export function expectNoEvent(events: readonly AgentEvent[], pattern: EventPattern): void {
  checkOptions('The list of events', eventsSchema, events);
  checkOptions('The pattern of an event', patternSchema, pattern);
  const found = events.find((event) => matches(event, pattern));
  if (found !== undefined) throw missing(events, [], `not expected: ${show(found)}`);
}

function matches(value: unknown, pattern: unknown): boolean {
  if (typeof pattern !== 'object' || pattern === null || Array.isArray(pattern))
    return isDeepStrictEqual(value, pattern);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(pattern).every(([key, wanted]) =>
    matches((value as Record<string, unknown>)[key], wanted),
  );
}

const longestShown = 160;

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

function missing(
  events: readonly AgentEvent[],
  expected: readonly EventPattern[],
  what: string,
): AssertionError {
  const list = events.map((event) => `\n  ${show(event)}`).join('');
  return new AssertionError({
    message: `${what}\nThe events were:${list || ' none'}`,
    actual: events,
    expected,
  });
}
