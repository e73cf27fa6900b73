/** Starts all servers of a config file, prints their process ids as one line of JSON, and waits to be killed. */
import { createMcpHost } from '../../src/mcp/create-mcp-host.ts';
import { loadMcpConfig } from '../../src/mcp/mcp-config.ts';

const servers = await loadMcpConfig(process.argv[2] ?? '', { environment: {} });
const host = createMcpHost({ servers });
await host.tools(Object.keys(servers));
process.stdout.write(`${JSON.stringify(host.status().map(({ pid }) => pid))}\n`);
setInterval(() => {}, 60_000);
