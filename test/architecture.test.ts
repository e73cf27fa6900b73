import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  countLines,
  enginesStandAlone,
  filesAreShort,
  importsHaveNoCycles,
  namesSayWhatIsInside,
  noAnyType,
  noExportStar,
  onlyConfigReadsEnvironment,
  packagesImportDownwards,
  type Repository,
  type Rule,
  roomsImportDownwards,
  syntaxIsErasable,
} from './architecture/rules.ts';
import { importsOf, maskLiterals, type SourceFile } from './architecture/source.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function readRepository(): Repository {
  const paths = globSync('{packages,scripts,test,examples,bench}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules/**', '**/dist/**', '**/gen/**'],
  });
  const files = paths.sort().map((path) => ({ path, text: readFileSync(root + path, 'utf8') }));
  const doors = globSync('packages/*/package.json', { cwd: root }).flatMap((path) => {
    const { exports = {} }: { exports?: Record<string, string> } = JSON.parse(
      readFileSync(root + path, 'utf8'),
    );
    return Object.values(exports).map((door) => posix.join(posix.dirname(path), door));
  });
  return { files, doors: new Set(doors) };
}

/** A repository of a few files, given as path and text. */
function repositoryOf(texts: Readonly<Record<string, string>>, doors: readonly string[] = []): Repository {
  const files = Object.entries(texts).map(([path, text]): SourceFile => ({ path, text }));
  return { files, doors: new Set(doors) };
}

/** What a rule says, as `path:line message`. */
function findings(rule: Rule, repository: Repository): string[] {
  return rule(repository).map(({ path, line, message }) => `${path}:${line} ${message}`);
}

function refuses(rule: Rule, path: string, text: string, finding: string): void {
  assert.deepEqual(findings(rule, repositoryOf({ [path]: text })), [`${path}:${finding}`]);
}

function accepts(rule: Rule, path: string, text: string): void {
  assert.deepEqual(findings(rule, repositoryOf({ [path]: text })), []);
}

describe('this repository keeps the rules of the house', () => {
  const repository = readRepository();
  const rules: Readonly<Record<string, Rule>> = {
    'packages import downwards': packagesImportDownwards,
    'rooms of ops-core import their own room or lower floors': roomsImportDownwards,
    'no engine of the store imports another': enginesStandAlone,
    'names say what is inside': namesSayWhatIsInside,
    'imports have no cycles': importsHaveNoCycles,
    'files have at most 400 lines': filesAreShort,
    'nothing is exported by star': noExportStar,
    'no type is any': noAnyType,
    'only config.ts reads the environment': onlyConfigReadsEnvironment,
    'the syntax is erasable': syntaxIsErasable,
  };
  for (const [promise, rule] of Object.entries(rules)) {
    it(promise, () => assert.deepEqual(findings(rule, repository), []));
  }

  it('lines per file are reported', (t) => {
    const lines = repository.files.map(countLines).sort((a, b) => a - b);
    const at = (share: number) => lines[Math.floor(share * (lines.length - 1))];
    t.diagnostic(`${lines.length} files; lines: median ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}`);
  });
});

describe('packages', () => {
  const agentkit = 'packages/agentkit/src/agent.ts';
  const sdk = 'packages/sdk/src/client.ts';

  it('agentkit imports nothing of ours', () => {
    refuses(
      packagesImportDownwards,
      agentkit,
      "import {} from '@opspawn/sdk';",
      '1 agentkit must not import @opspawn/sdk',
    );
    accepts(packagesImportDownwards, agentkit, "import { z } from 'zod';\nimport './run-loop.ts';");
  });

  it('sdk imports the schemas of agentkit only', () => {
    refuses(
      packagesImportDownwards,
      sdk,
      "\nimport {} from '@opspawn/agentkit';",
      '2 sdk must not import @opspawn/agentkit',
    );
    accepts(packagesImportDownwards, sdk, "import {} from '@opspawn/agentkit/schema';");
  });

  it('ops-core does not import the command line, not even by type or at run time', () => {
    const path = 'packages/ops-core/src/start.ts';
    refuses(
      packagesImportDownwards,
      path,
      "import type { A } from 'opspawn';",
      '1 ops-core must not import opspawn',
    );
    refuses(
      packagesImportDownwards,
      path,
      "await import('opspawn/a');",
      '1 ops-core must not import opspawn/a',
    );
    accepts(packagesImportDownwards, path, "import {} from '@opspawn/agentkit/testing';");
  });

  it('no package reaches into another one, or into a folder that is no package', () => {
    refuses(
      packagesImportDownwards,
      sdk,
      "import '../../cli/src/main.ts';",
      '1 sdk must not import ../../cli/src/main.ts',
    );
    refuses(
      packagesImportDownwards,
      sdk,
      "import '../../../test/a.ts';",
      '1 sdk must not import ../../../test/a.ts',
    );
  });

  it('a new package must be added to the rules', () => {
    refuses(packagesImportDownwards, 'packages/extra/src/a.ts', '', '1 extra is no known package');
  });
});

describe('rooms', () => {
  const store = 'packages/ops-core/src/storage/store.ts';

  it('a room imports lower floors, neither higher ones nor its own', () => {
    const claim = (target: string) => `import { a } from '../${target}';`;
    refuses(
      roomsImportDownwards,
      store,
      claim('tasks/claim.ts'),
      '1 storage (floor 1) must not import tasks (floor 3)',
    );
    refuses(
      roomsImportDownwards,
      store,
      claim('start.ts'),
      '1 storage (floor 1) must not import start (floor 8)',
    );
    refuses(
      roomsImportDownwards,
      store,
      claim('auth/key.ts'),
      '1 storage (floor 1) must not import auth (floor 1)',
    );
    accepts(roomsImportDownwards, store, claim('domain/task.ts'));
    accepts(roomsImportDownwards, store, claim('storage/entry.ts'));
  });

  it('a test may import any floor', () => {
    const path = store.replace('.ts', '.test.ts');
    accepts(roomsImportDownwards, path, "import '../start.ts';");
  });

  it('a new room must be given a floor', () => {
    refuses(roomsImportDownwards, 'packages/ops-core/src/attic/a.ts', '', '1 room attic has no floor');
  });

  it('an engine of the store does not import another one, not even by type or in a test', () => {
    const path = 'packages/ops-core/src/storage/postgres/writing/submit.ts';
    const shared = 'packages/ops-core/src/storage/sqlite/turn.ts';
    const finding = `1 postgres must not import ${shared}`;
    refuses(enginesStandAlone, path, "import type { Turn } from '../../sqlite/turn.ts';", finding);
    const test = path.replace('.ts', '.test.ts');
    refuses(enginesStandAlone, test, "import '../../sqlite/turn.ts';", finding);
    const [other, back] = [path.replace('postgres', 'sqlite'), shared.replace('sqlite', 'postgres')];
    refuses(enginesStandAlone, other, "import '../../postgres/turn.ts';", `1 sqlite must not import ${back}`);
    accepts(enginesStandAlone, path, "import '../../turn.ts';import '../claims.ts';");
    accepts(enginesStandAlone, 'packages/ops-core/src/storage/copy.test.ts', "import './sqlite/turn.ts';");
  });

  it('only config.ts reads the environment', () => {
    refuses(onlyConfigReadsEnvironment, store, '\nprocess.env.HOME;', '2 only config.ts reads process.env');
    refuses(
      onlyConfigReadsEnvironment,
      store,
      "import { env } from 'node:process';",
      '1 only config.ts reads process.env',
    );
    accepts(onlyConfigReadsEnvironment, 'packages/ops-core/src/config.ts', 'process.env.HOME;');
    accepts(onlyConfigReadsEnvironment, store, 'process.pid; // process.env');
  });
});

describe('files', () => {
  const path = 'scripts/a.ts';

  it('a name that says nothing is refused, for a file and for a folder', () => {
    for (const name of ['utils', 'helpers', 'common', 'misc', 'types', 'manager']) {
      refuses(namesSayWhatIsInside, `scripts/${name}.ts`, '', `1 the name ${name} says nothing`);
      refuses(namesSayWhatIsInside, `scripts/${name}/a.ts`, '', `1 the name ${name} says nothing`);
    }
  });

  it('index is only a front door', () => {
    const door = 'packages/sdk/src/index.ts';
    refuses(namesSayWhatIsInside, door, '', '1 index is only for the front door of a package');
    assert.deepEqual(namesSayWhatIsInside(repositoryOf({ [door]: '' }, [door])), []);
  });

  it('an import cycle is refused and told in full', () => {
    const cycle = repositoryOf({
      'scripts/a.ts': "import './b.ts';",
      'scripts/b.ts': "\nexport { c } from './c.ts';",
      'scripts/c.ts': "import type { A } from './a.ts';",
    });
    assert.deepEqual(findings(importsHaveNoCycles, cycle), [
      'scripts/c.ts:1 import cycle scripts/a.ts → scripts/b.ts → scripts/c.ts → scripts/a.ts',
    ]);
    const diamond = {
      'scripts/a.ts': "import './b.ts';import './c.ts';",
      'scripts/b.ts': "import './c.ts';",
    };
    assert.deepEqual(findings(importsHaveNoCycles, repositoryOf({ ...diamond, 'scripts/c.ts': '' })), []);
  });

  it('a file of more than 400 lines is refused', () => {
    refuses(filesAreShort, path, '\n'.repeat(401), '401 401 lines, at most 400');
    accepts(filesAreShort, path, '\n'.repeat(400));
  });

  it('export * is refused', () => {
    refuses(noExportStar, path, "\nexport * from './b.ts';", '2 export by name instead of *');
    refuses(noExportStar, path, "export type * from './b.ts';", '1 export by name instead of *');
  });

  it('the type any is refused, the word any is not', () => {
    for (const text of ['let a: any = 1;', 'f(b as any);', 'type A = Array<any>;', 'type B = any;']) {
      refuses(noAnyType, path, text, '1 any switches the types off');
    }
    accepts(noAnyType, path, "// any\nPromise.any([]); const a = { any: 'any' }; const b = `any ${1} any`;");
  });

  it('syntax that needs a compiler is refused', () => {
    const enumeration = '\nexport enum A { b }';
    refuses(syntaxIsErasable, path, enumeration, '2 TypeScript enum is not supported in strip-only mode');
    const property = 'class A { constructor(private readonly b: string) {} }';
    refuses(
      syntaxIsErasable,
      path,
      property,
      '1 TypeScript parameter property is not supported in strip-only mode',
    );
    accepts(syntaxIsErasable, path, 'export const a: string = <T>(b: T) => b;');
  });
});

describe('reading source', () => {
  it('strings, templates, regular expressions and comments are blanked in place', () => {
    const text = "f('a'); /b'/.test(`c ${d('e')} }`); // g\nh / i / j; /* k\n*/ l";
    const masked = maskLiterals(text);
    assert.equal(masked, "f(' '); /  /.test(`   {d(' ')}  `);     \nh / i / j;     \n   l");
    assert.equal(masked.length, text.length);
  });

  it('every kind of import is seen, and nothing that only looks like one', () => {
    const text = `import a, { type B } from './a.ts';
import './b.ts';
export { c } from '../c.ts';
const d = await import('./d.ts');
import type {
  E,
} from "zod";
Array.from('f'); const g = "import './g.ts'"; // import './h.ts'
`;
    assert.deepEqual(
      importsOf({ path: 'packages/sdk/src/main.ts', text }).map(({ target, specifier, line }) => [
        target ?? specifier,
        line,
      ]),
      [
        ['packages/sdk/src/a.ts', 1],
        ['packages/sdk/src/b.ts', 2],
        ['packages/sdk/c.ts', 3],
        ['packages/sdk/src/d.ts', 4],
        ['zod', 7],
      ],
    );
  });
});
