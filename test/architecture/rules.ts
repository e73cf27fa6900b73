/** The rules of the house. Each one takes the files of the repository and names the line that breaks it. */
import { stripTypeScriptTypes } from 'node:module';
import { type Import, importsOf, isTest, lineAt, maskLiterals, type SourceFile } from './source.ts';

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Repository {
  readonly files: readonly SourceFile[];
  /** The files that a package.json exports. */
  readonly doors: ReadonlySet<string>;
}

export type Rule = (repository: Repository) => Violation[];

/** What each package may import of ours; `/*` stands for every door. */
const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  agentkit: [],
  sdk: ['@opspawn/agentkit/schema'],
  'ops-core': ['@opspawn/agentkit', '@opspawn/agentkit/*', '@opspawn/sdk'],
  cli: ['@opspawn/agentkit', '@opspawn/agentkit/*', '@opspawn/sdk', '@opspawn/ops-core'],
  'ops-ui': ['@opspawn/sdk'],
};

/** The rooms of ops-core (folders, or files beside them): each may import itself and lower floors only. */
const floors: Readonly<Record<string, number>> = {
  config: 0,
  domain: 0,
  host: 0,
  auth: 1,
  broker: 1,
  observe: 1,
  storage: 1,
  agents: 2,
  mcp: 2,
  sessions: 2,
  tasks: 3,
  webhooks: 4,
  workflows: 4,
  schedules: 5,
  handlers: 6,
  grpc: 7,
  http: 7,
  start: 8,
  index: 9,
};

const vagueNames = /^(?:utils?|helpers?|common|misc|types?|managers?)$/;
const maxLines = 400;

export function countLines(file: SourceFile): number {
  return file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0);
}

const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\//.exec(path)?.[1];

export const packagesImportDownwards: Rule = ({ files }) =>
  files.flatMap((file) => {
    const own = packageOf(file.path);
    if (own === undefined) return [];
    const allowed = allowedPackages[own];
    if (allowed === undefined) return [{ path: file.path, line: 1, message: `${own} is no known package` }];
    return importsOf(file)
      .filter((imported) => !mayImport(own, allowed, imported))
      .map(({ specifier, line }) => ({
        path: file.path,
        line,
        message: `${own} must not import ${specifier}`,
      }));
  });

function mayImport(own: string, allowed: readonly string[], { specifier, target }: Import): boolean {
  if (target !== undefined) return packageOf(target) === own;
  const isOurs = specifier.startsWith('@opspawn/') || /^opspawn(?:\/|$)/.test(specifier);
  if (!isOurs) return true;
  return allowed.some((name) =>
    name.endsWith('/*') ? specifier.startsWith(name.slice(0, -1)) : specifier === name,
  );
}

const roomOf = (path: string): string | undefined =>
  /^packages\/ops-core\/src\/([^/]+?)(?:\.ts$|\/)/.exec(path)?.[1];

export const roomsImportDownwards: Rule = ({ files }) =>
  files
    .filter((file) => !isTest(file))
    .flatMap((file) => {
      const room = roomOf(file.path);
      if (room === undefined) return [];
      const floor = floors[room];
      if (floor === undefined) return [{ path: file.path, line: 1, message: `room ${room} has no floor` }];
      return importsOf(file).flatMap(({ target, line }) => {
        const other = target === undefined ? undefined : roomOf(target);
        if (other === undefined || other === room) return [];
        const otherFloor = floors[other];
        if (otherFloor === undefined || otherFloor < floor) return [];
        const message = `${room} (floor ${floor}) must not import ${other} (floor ${otherFloor})`;
        return [{ path: file.path, line, message }];
      });
    });

const engineOf = (path: string): string | undefined =>
  /^packages\/ops-core\/src\/storage\/(postgres|sqlite)\//.exec(path)?.[1];

/** What both engines of the store share belongs to neither. */
export const enginesStandAlone: Rule = ({ files }) =>
  files.flatMap((file) => {
    const engine = engineOf(file.path);
    if (engine === undefined) return [];
    return importsOf(file).flatMap(({ target, line }) => {
      const other = target === undefined ? undefined : engineOf(target);
      if (other === undefined || other === engine) return [];
      return [{ path: file.path, line, message: `${engine} must not import ${target}` }];
    });
  });

export const namesSayWhatIsInside: Rule = ({ files, doors }) =>
  files.flatMap(({ path }) => {
    const names = path.split('/').map((segment) => segment.replace(/(?:\.test)?\.ts$/, ''));
    const vague = names.find((name) => vagueNames.test(name));
    if (vague !== undefined) return [{ path, line: 1, message: `the name ${vague} says nothing` }];
    if (names.at(-1) !== 'index' || doors.has(path)) return [];
    return [{ path, line: 1, message: 'index is only for the front door of a package' }];
  });

export const importsHaveNoCycles: Rule = ({ files }) => {
  const graph = new Map(files.map((file) => [file.path, importsOf(file)]));
  const finished = new Set<string>();
  const trail: string[] = [];
  const violations: Violation[] = [];
  const visit = (path: string) => {
    trail.push(path);
    for (const { target, line } of graph.get(path) ?? []) {
      if (target === undefined || !graph.has(target) || finished.has(target)) continue;
      const start = trail.indexOf(target);
      if (start === -1) visit(target);
      else
        violations.push({
          path,
          line,
          message: `import cycle ${[...trail.slice(start), target].join(' → ')}`,
        });
    }
    trail.pop();
    finished.add(path);
  };
  for (const path of graph.keys()) if (!finished.has(path)) visit(path);
  return violations;
};

export const filesAreShort: Rule = ({ files }) =>
  files
    .filter((file) => countLines(file) > maxLines)
    .map((file) => ({
      path: file.path,
      line: maxLines + 1,
      message: `${countLines(file)} lines, at most ${maxLines}`,
    }));

export const noExportStar: Rule = forbid(/\bexport\s+(?:type\s+)?\*/g, 'export by name instead of *');

export const noAnyType: Rule = forbid(/(?<![.\w$])any(?![\w$(]|\s*[:(])/g, 'any switches the types off');

const opsCore = 'packages/ops-core/src/';
const readsEnvironment: Rule = forbid(
  /\bprocess\s*\??\.\s*env\b|\bprocess\s*\[|\benv\b[^;]*\bfrom\s*(?='[^']*'|"[^"]*")/g,
  'only config.ts reads process.env',
);

export const onlyConfigReadsEnvironment: Rule = ({ files, doors }) =>
  readsEnvironment({
    files: files.filter(
      (file) => file.path.startsWith(opsCore) && file.path !== `${opsCore}config.ts` && !isTest(file),
    ),
    doors,
  });

export const syntaxIsErasable: Rule = ({ files }) =>
  files.flatMap((file) => {
    try {
      stripTypeScriptTypes(file.text);
      return [];
    } catch (error) {
      const line = Number(/^[^\n]*?:(\d+)\n/.exec((error as Error).stack ?? '')?.[1] ?? 1);
      return [{ path: file.path, line, message: (error as Error).message }];
    }
  });

function forbid(pattern: RegExp, message: string): Rule {
  return ({ files }) =>
    files.flatMap((file) =>
      [...maskLiterals(file.text).matchAll(pattern)].map(({ index }) => ({
        path: file.path,
        line: lineAt(file.text, index),
        message,
      })),
    );
}
