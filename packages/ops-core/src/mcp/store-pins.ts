import { maxPinsPerServer, type SeenTools, type ToolPin, type ToolPins } from '@opspawn/agentkit';
import type { ToolPinRow } from '../storage/parts/tool-pins.ts';
import type { Store } from '../storage/store.ts';

/** Pins as rows of the store: every worker of a namespace goes by the same ones, and a decision counts at once. */
export function storePins(store: Store): ToolPins {
  return {
    async review(seen) {
      const known = await approvedIn(store, seen);
      if (known.isComplete) return known.approved;
      await store.recordToolPins({
        ...seen,
        tools: seen.tools.map((tool) => ({ ...tool, definition: JSON.stringify(tool.definition) })),
        limit: maxPinsPerServer,
      });
      return (await approvedIn(store, seen)).approved;
    },
    list: async ({ namespace, server }) => (await store.toolPins(namespace, server)).map(toPin),
    decide: async (decision) => (await store.decideToolPins(decision)).map(toPin),
  };
}

async function approvedIn(store: Store, { namespace, server, tools }: SeenTools) {
  const states = await store.toolPinStates(namespace, server);
  const known = new Map(states.map(({ tool, digest, status }) => [`${digest} ${tool}`, status]));
  const statusOf = ({ tool, digest }: SeenTools['tools'][number]) => known.get(`${digest} ${tool}`);
  return {
    approved: new Set(tools.filter((tool) => statusOf(tool) === 'approved').map(({ tool }) => tool)),
    isComplete: tools.every((tool) => statusOf(tool) !== undefined),
  };
}

const toPin = ({ definition, ...pin }: ToolPinRow): ToolPin => ({
  ...pin,
  definition: JSON.parse(definition),
});
