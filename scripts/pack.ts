/**
 * `node scripts/pack.ts [FOLDER]`: makes the tarballs that would be published, into FOLDER (default `dist/packages`).
 *
 * Each package is compiled with tsc against the compiled ones below it, in a copy beside the repository's own
 * node_modules, and joined to few files (bundle.ts); its manifest is rewritten to point at the JavaScript. Prints one
 * path a line. Exits with 1 when tsc, the bundler or npm fails.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.ts';

interface Manifest {
  name: string;
  version: string;
  exports?: Record<string, string | { types: string; default: string }>;
  [field: string]: unknown;
}

const root = fileURLToPath(new URL('..', import.meta.url));
/** Lower ones first: each is compiled against the declarations of those before it. */
const packages = ['agentkit', 'sdk', 'ops-core', 'cli'] as const;

/** Makes the tarballs of all packages in `target`. Gives their paths. */
export async function packAll(target: string): Promise<string[]> {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const stage = mkdtempSync(join(root, 'dist', 'stage-'));
  try {
    for (const name of packages) await stagePackage(stage, name);
    mkdirSync(target, { recursive: true });
    const folders = packages.map((name) => join(stage, name));
    const packed = run(
      'npm',
      ['pack', '--json', '--loglevel=error', '--pack-destination', target, ...folders],
      stage,
    );
    return tarballNames(packed).map((filename) => join(target, filename));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function stagePackage(stage: string, name: (typeof packages)[number]): Promise<void> {
  const source = join(root, 'packages', name);
  const folder = join(stage, name);
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest;
  cpSync(join(source, 'src'), join(folder, 'src'), {
    recursive: true,
    filter: (path) => !path.endsWith('.test.ts'),
  });
  if (existsSync(join(source, 'bin'))) cpSync(join(source, 'bin'), join(folder, 'bin'), { recursive: true });
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const readme = [join(source, 'README.md'), join(root, 'README.md')].find(existsSync);
  if (readme !== undefined) copyFileSync(readme, join(folder, 'README.md'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(publishedManifest(manifest), undefined, 2));
  compile(source, folder);
  await bundle(join(folder, 'compiled'), join(folder, 'dist'), doorsOf(manifest));
  copyAssets(folder);
  for (const made of ['src', 'compiled', 'tsconfig.json']) rmSync(join(folder, made), { recursive: true });
  const link = join(stage, 'node_modules', manifest.name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(folder, link, 'dir');
}

/** What is loaded from outside, by import or by `bin/`. */
function doorsOf({ exports = { '.': './src/main.ts' } }: Manifest): string[] {
  return Object.values(exports).map((path) => String(path).replace('./src/', '').replace(/\.ts$/, '.js'));
}

/** Doors point at the compiled files. */
function publishedManifest(manifest: Manifest): Manifest {
  const compiled = (path: string, extension: string) =>
    path.replace('./src/', './dist/').replace(/\.ts$/, extension);
  const doors = Object.entries(manifest.exports ?? {}).map(([door, path]) => {
    if (typeof path !== 'string') throw new Error(`${manifest.name}: the door ${door} is no path`);
    return [door, { types: compiled(path, '.d.ts'), default: compiled(path, '.js') }];
  });
  const exports = doors.length === 0 ? {} : { exports: Object.fromEntries(doors) };
  return { ...manifest, ...exports, files: ['dist', ...('bin' in manifest ? ['bin'] : [])] };
}

function compile(source: string, folder: string): void {
  const options = {
    extends: join(source, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rewriteRelativeImportExtensions: true,
      declaration: true,
      rootDir: join(folder, 'src'),
      outDir: join(folder, 'compiled'),
      declarationDir: join(folder, 'dist'),
    },
    include: [join(folder, 'src', '**', '*.ts')],
    exclude: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options));
  run(join(root, 'node_modules', '.bin', 'tsc'), ['--project', folder], folder);
}

/** What is no TypeScript (SQL, for instance) stands beside the compiled files as it stood beside the sources. */
function copyAssets(folder: string): void {
  const files = globSync('src/**/*', { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of files.filter(({ name }) => extname(name) !== '.ts')) {
    const from = join(file.parentPath, file.name);
    const to = from.replace(join(folder, 'src'), join(folder, 'dist'));
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
}

/** npm lists what it packed; newer ones key the list by package. */
function tarballNames(json: string): string[] {
  const packed = JSON.parse(json) as { filename: string }[] | Record<string, { filename: string }>;
  return Object.values(packed).map(({ filename }) => filename);
}

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} exited with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

if (import.meta.main) {
  try {
    const target = resolve(process.argv[2] ?? join(root, 'dist', 'packages'));
    process.stdout.write(`${(await packAll(target)).join('\n')}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
