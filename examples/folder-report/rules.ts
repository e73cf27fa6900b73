/** The model `scripted/folder-report`: rules over the conversation, no language model. */
import type { Message } from '@opspawn/agentkit';
import type { ScriptedReply } from '@opspawn/agentkit/testing';
import { explore, safePath, tools } from './exploration.ts';
import { writeReport } from './report.ts';

/** What comes next: list folders, read text files, compute figures, then the report. A pure function of the messages. */
export function nextMove(messages: readonly Message[]): ScriptedReply {
  const found = explore(messages);
  if (found.foldersToList.length > 0) {
    const paths = found.foldersToList.slice(0, batchSize(found.foldersToList.length));
    return {
      say: `Listing ${paths.length} of the folders.`,
      calls: paths.map((path) => call(tools.list, path)),
    };
  }
  if (found.filesToRead.length > 0) {
    const left = found.filesToRead.length;
    const paths = found.filesToRead.slice(0, batchSize(left)).map((file) => file.path);
    return {
      say: `Reading ${paths.length} of ${left} text files.`,
      calls: paths.map((path) => call(tools.read, path)),
    };
  }
  if (found.figures === undefined && found.files.length > 0) {
    const input = {
      files: found.files.map((file) => ({ ...file })),
      todos: found.todos.map((todo) => ({ ...todo })),
    };
    return {
      say: `Computing figures over ${found.files.length} files.`,
      calls: [{ tool: tools.figures, input }],
    };
  }
  return { say: writeReport(found) };
}

/** Three at once for a small folder, up to eight for a large one. */
const batchSize = (waiting: number): number => Math.min(8, Math.max(3, Math.ceil(waiting / 6)));

const call = (tool: string, path: string) => ({ tool, input: { path: safePath(path) } });
