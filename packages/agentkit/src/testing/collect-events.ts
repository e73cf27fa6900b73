import type { AgentEvent, EventSink } from '../event.ts';

export interface CollectedEvents {
  readonly events: readonly AgentEvent[];
  /** Give this as `onEvent`. */
  readonly onEvent: EventSink;
  /** Those of one type, in order. */
  of<Type extends AgentEvent['type']>(type: Type): Extract<AgentEvent, { type: Type }>[];
}

/** Events as a list, for assertions. */
export function collectEvents(): CollectedEvents {
  const events: AgentEvent[] = [];
  return {
    events,
    onEvent: (event) => {
      events.push(event);
    },
    of: <Type extends AgentEvent['type']>(type: Type) =>
      events.filter((event): event is Extract<AgentEvent, { type: Type }> => event.type === type),
  };
}
