/** Runs what a model wrote, on whatever machine it stands, and says as JSON what came of it. */
import { existsSync } from 'node:fs';
import { runAgent } from '../../src/run/run-agent.ts';
import { callTool, memoryEnvironment } from '../../src/testing.ts';
import { runJavascript } from '../../src/tool/builtin/run-code.ts';
import { isolationTiers } from '../../src/tool/isolation-tiers.ts';
import { agentWith, sayResults } from '../tester.ts';

const [witness = ''] = process.argv.slice(2);
const code = `require('node:fs').writeFileSync(${JSON.stringify(witness)}, 'ran'); return 'ran'`;
const agent = agentWith([callTool('run', { code }), sayResults], { tools: { run: runJavascript() } });
const said = await runAgent(agent, { prompt: 'go' }, memoryEnvironment()).then(
  ({ output }) => ({ output }),
  (thrown: { code?: string; message?: string }) => ({ code: thrown.code, message: thrown.message }),
);
const sandbox = (await isolationTiers()).find(({ tier }) => tier === 'sandbox');
process.stdout.write(JSON.stringify({ said, sandbox, hasRun: existsSync(witness) }));
process.exit();
