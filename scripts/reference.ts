/** Writes the reference pages that are derived from the code: `node scripts/reference.ts`. A test compares them. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../packages/cli/src/program.ts';
import { errorsOf, type Operation, operations } from '../packages/sdk/src/index.ts';

const generated = '<!-- Written by scripts/reference.ts; change the code instead. -->';

export const referencePages = async (): Promise<Record<string, string>> => ({
  'rest.md': restPage(),
  'cli.md': await cliPage(),
});

function restPage(): string {
  const table: [string, Operation][] = Object.entries(operations);
  return `${[
    '# The REST API',
    generated,
    restIntroduction,
    ...table.map(([id, operation]) => operationSection(id, operation)),
  ].join('\n\n')}\n`;
}

const restIntroduction = `The server listens on \`127.0.0.1:7070\`. Every request and answer is described in OpenAPI 3.1 at \`/openapi.json\`; this page is the
same table for reading. Bodies are JSON in UTF-8, camelCase; unknown fields are refused. A failure is a problem document (RFC 9457,
\`application/problem+json\`) with a stable \`code\` (see [error codes](error-codes.md)), the \`requestId\`, and in \`errors\` the JSON pointer of
each field that was wrong. Lists give \`nextCursor\` until there is none.`;

function operationSection(id: string, operation: Operation): string {
  const paths = [operation.path, ...(operation.aliases ?? [])].map(
    (path) => `\`${operation.method} ${path}\``,
  );
  const fields = [
    ...fieldRows('path', operation.params),
    ...fieldRows('query', operation.query),
    ...fieldRows('header', operation.headers),
  ];
  return [
    `## ${operation.summary}`,
    `${paths.join(', also ')} (\`${id}\`)`,
    operation.description,
    ...(fields.length === 0 ? [] : [`Takes ${fields.join(', ')}.`]),
    `Answers ${operation.success.statuses.join(' or ')}. Errors: ${errorsOf(operation)
      .map((code) => `\`${code}\``)
      .join(', ')}.`,
  ].join('\n\n');
}

const fieldRows = (where: string, schema: { shape: object } | undefined): string[] =>
  schema === undefined ? [] : Object.keys(schema.shape).map((name) => `\`${name}\` (${where})`);

async function cliPage(): Promise<string> {
  const program = await buildProgram({ json: false });
  program.configureHelp({ helpWidth: 110 });
  return `${['# The command line', generated, block(helpOf(program)), ...commandSections(program, 'opspawn')].join('\n\n')}\n`;
}

type Program = Awaited<ReturnType<typeof buildProgram>>;

function commandSections(command: Program, path: string): string[] {
  return command.commands.flatMap((child) => {
    const name = `${path} ${child.name()}`;
    child.configureHelp({ helpWidth: 110 });
    return [`## ${name}`, block(helpOf(child)), ...commandSections(child as Program, name)];
  });
}

/** Help as it is printed, with what is added after it. */
function helpOf(command: Program): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 110 });
  command.outputHelp();
  return text.trimEnd();
}

const block = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await referencePages())) {
    await writeFile(new URL(`../ops-docs/reference/${name}`, import.meta.url), text);
  }
}
