/** The agent of examples/folder-report as the demo runs it: on the folder in DEMO_FOLDER, in slow motion, with a ledger. */
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from '@opspawn/ops-core';
import { filesystemServer, folderReport } from '../../examples/folder-report/agent.ts';

const { DEMO_FOLDER: folder = '.', DEMO_LEDGER: ledger = '', DEMO_CALL_MS: callMs = '0' } = process.env;
const slowMotion = fileURLToPath(new URL('./slow-motion.mjs', import.meta.url));
const server = filesystemServer(folder, ['--import', slowMotion]);

const agent = folderReport({
  turnMs: 2 * Number(callMs),
  onTurn: (turn) => appendFileSync(ledger, `${JSON.stringify({ call: `model turn ${turn}` })}\n`),
});

export default defineConfig({
  agents: [agent],
  mcp: { servers: { filesystem: { ...server, env: { DEMO_LEDGER: ledger, DEMO_CALL_MS: callMs } } } },
});
