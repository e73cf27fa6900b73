/** For tests of agents: models that are rules, a clock that is moved by hand, and events as a list. */
export { type MemoryCase, type MemoryUnderTest, memoryCases, memoryClock } from './memory/contract.ts';
export { firstTool } from './model/scripted/first-tool.ts';
export {
  callTool,
  callTools,
  countScriptedTokens,
  promptOf,
  type ScriptedCall,
  type ScriptedModelOptions,
  type ScriptedReply,
  type ScriptedStep,
  say,
  scriptedModel,
} from './model/scripted/scripted-model.ts';
export { scriptedProvider } from './model/scripted/scripted-models.ts';
export { type CollectedEvents, collectEvents } from './testing/collect-events.ts';
export {
  type EventPattern,
  type ExpectEventsOptions,
  expectEvents,
  expectNoEvent,
} from './testing/expect-events.ts';
export { type FakeClock, fakeClock } from './testing/fake-clock.ts';
export { type MemoryEnvironmentOptions, memoryEnvironment } from './testing/memory-environment.ts';
export { replayingSteps } from './testing/replaying-steps.ts';
export { scriptedEmbedder } from './testing/scripted-embedder.ts';
export type { AskPerson, TestMcpReply } from './testing/test-mcp-questions.ts';
export {
  type TestMcpCall,
  type TestMcpFault,
  type TestMcpServer,
  type TestMcpServerOptions,
  type TestMcpTool,
  testMcpServer,
} from './testing/test-mcp-server.ts';
