import { AsyncLocalStorage } from 'node:async_hooks';

type Tell = (line: string) => void;

const mark = '[mcp-sdk] ';
const listening = new AsyncLocalStorage<Tell>();
let isDiverted = false;

/**
 * Runs something of the client library. What it has to say (a token that was refused, a tool that it left out) it says on
 * the process's console, which cannot be set otherwise: it would stand unredacted between the lines of our log, and name
 * no server. `tell` gets it instead; whatever else is said on the console stays there.
 */
export function withNotices<T>(tell: Tell, work: () => T): T {
  divertConsole();
  return listening.run(tell, work);
}

function divertConsole(): void {
  if (isDiverted) return;
  isDiverted = true;
  const { warn } = console;
  console.warn = (...said: unknown[]) => {
    const [text] = said;
    const tell = listening.getStore();
    if (tell !== undefined && typeof text === 'string' && text.startsWith(mark))
      tell(text.slice(mark.length));
    else warn.apply(console, said);
  };
}
