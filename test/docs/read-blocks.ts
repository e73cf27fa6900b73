import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Block {
  page: string;
  code: string;
  /** Path of the file that it quotes. */
  from?: string | undefined;
  /** What its reader has to think before it. */
  prelude: string;
}

/** TypeScript blocks, each with the comment before it: `<!-- from: FILE -->` or `<!-- prelude: CODE -->`. */
export async function readBlocks(pages: readonly string[]): Promise<Block[]> {
  const blocks: Block[] = [];
  for await (const page of glob(pages, { cwd: root })) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [, kind, argument = '', code = ''] of text.matchAll(
      /(?:<!-- (from|prelude): (.*?) -->\n)?```ts\n(.*?)```/gs,
    )) {
      blocks.push({
        page,
        code,
        from: kind === 'from' ? argument : undefined,
        prelude: kind === 'prelude' ? argument : '',
      });
    }
  }
  return blocks;
}

/** Command lines of the blocks for shells, whole: with what continues on the next line, without what a shell does with them. */
export function* shellLines(text: string): Generator<string> {
  for (const [, block = ''] of text.matchAll(/```(?:sh|console|bash)\n(.*?)```/gs))
    for (const line of block.replaceAll(/ *\\\n */g, ' ').split('\n')) {
      const [, rest] = /(?:^|\$ |&& |npx )opspawn (.*)$/.exec(line) ?? [];
      if (rest !== undefined) yield rest.replace(/ +(?:#|\||>|&&|2>|&$).*$/, '');
    }
}

/** As a shell would part them. */
export const wordsOf = (line: string): string[] =>
  (line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []).map((word) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  );
