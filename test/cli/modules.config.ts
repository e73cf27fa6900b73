/** As small as a config of an agent and a function can be. */
import { defineAgent } from '@opspawn/agentkit';
import { defineConfig, defineFunction } from '@opspawn/ops-core';

export default defineConfig({
  agents: [defineAgent({ name: 'hello', instructions: 'Say hello', model: 'scripted/first-tool' })],
  functions: [defineFunction({ name: 'noop', run: () => {} })],
});
