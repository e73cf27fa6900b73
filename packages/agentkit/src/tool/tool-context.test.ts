import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, sayResults, withCode } from '../../test/tester.ts';
import { moduleUrl } from '../module-url.ts';
import { runAgent } from '../run/run-agent.ts';
import { callTools, collectEvents, memoryEnvironment } from '../testing.ts';
import { defineTool } from './define-tool.ts';
import type { Tools } from './tool.ts';

const whose = defineTool({
  description: 'Says whose it is',
  input: z.object({}),
  context: z.object({ tenant: z.string(), limit: z.coerce.number() }),
  // the type of what the schema decodes
  execute: (_, { context }) => `${context.tenant} up to ${context.limit.toFixed(1)}`,
});
const nosy = defineTool({
  description: 'Says what it got',
  input: z.object({}),
  execute: (_, { context }) => String(context),
});
const apart = defineTool({
  description: 'Says what it got, from another process',
  input: z.object({ way: z.string() }),
  isolation: 'process',
  module: moduleUrl('../../test/process/behave', import.meta.url),
  context: z.object({ tenant: z.string() }),
});

const run = (tools: Tools, toolContext?: Readonly<Record<string, unknown>>) => {
  const calls = Object.keys(tools).map((tool) => ({ tool, input: tool === 'apart' ? { way: 'given' } : {} }));
  const { events, onEvent } = collectEvents();
  const environment = memoryEnvironment({ onEvent, ...(toolContext && { toolContext }) });
  const ended = runAgent(
    agentWith([callTools(...calls), sayResults], { tools }),
    { prompt: 'x' },
    environment,
  );
  return { ended, events, steps: environment.steps };
};

describe('the context of a tool', () => {
  it('reaches that tool alone, as its schema decodes it, and no model, event or record', async () => {
    const toolContext = { whose: { tenant: 'acme', limit: '5' }, apart: { tenant: 'acme', more: 1 } };
    const { ended, events, steps } = run({ whose, nosy, apart }, toolContext);
    assert.equal((await ended).output, '"acme up to 5.0"; "undefined"; {"tenant":"acme"}');
    const {
      ended: silent,
      events: told,
      steps: recorded,
    } = run({ quiet: { ...whose, execute: () => 'done' } }, { quiet: { tenant: 'hidden-tenant', limit: 1 } });
    await silent;
    assert.doesNotMatch(JSON.stringify([told, recorded.history()]), /hidden-tenant/);
    assert.ok(events.length > 0 && steps.history().length > 0);
  });

  it('that is missing ends the run before it begins, and one that does not fit ends it at the call', async () => {
    await assert.rejects(run({ whose }).ended, {
      code: 'config_invalid',
      message: 'The tool whose needs a context, and toolContext has none',
    });
    const { ended, steps } = run({ whose }, { whose: { limit: 1 } });
    const output = await ended.then(
      ({ output: said }) => said,
      (thrown) => (withCode('config_invalid')(thrown) ? thrown.message : assert.fail(thrown)),
    );
    assert.match(String(output), /toolContext of whose is not as it declares:.*tenant/s);
    assert.ok(steps.history().length > 0);
  });
});
