import { resolve } from 'node:path';
import { defineConfig } from '@opspawn/ops-core';
import { filesystemServer, folderReport } from './agent.ts';

/** The folder to report on: FOLDER, or the sample beside this file. */
const folder = process.env.FOLDER ? resolve(process.env.FOLDER) : resolve(import.meta.dirname, 'sample');

export default defineConfig({
  agents: [folderReport()],
  mcp: { servers: { filesystem: filesystemServer(folder) } },
});
