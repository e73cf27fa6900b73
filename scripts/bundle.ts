import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { rolldown } from 'rolldown';

/**
 * Joins the compiled modules in the folder `from` to few files in the folder `to`: Node takes longer to find a module
 * than to run it (ADR 0022). `doors` (paths in `from`), and the modules that are started by their address
 * (`moduleUrl`), keep their names; what they share comes into `chunks/`. Other packages stay apart, so that each module
 * is there once in a process.
 */
export async function bundle(from: string, to: string, doors: readonly string[]): Promise<void> {
  const entries = [
    ...doors,
    ...globSync('**/*.js', { cwd: from }).flatMap((path) => startedFrom(from, path)),
  ];
  await using build = await rolldown({
    input: Object.fromEntries(entries.map((path) => [path.slice(0, -'.js'.length), join(from, path)])),
    external: /^[^./]/,
    platform: 'node',
    treeshake: false,
    plugins: [
      {
        name: 'addresses of modules',
        transform: (code, id) => code.replaceAll('import.meta.url', `addressOf_('${relative(from, id)}')`),
        renderChunk: (code, { fileName }) =>
          code.replaceAll(/addressOf_\((['"])(.+?)\1\)/g, (_, _quote, path: string) => {
            const address = posix.join(posix.relative(dirname(fileName), '.') || '.', path);
            return `new URL('./${address}', import.meta.url).href`;
          }),
      },
    ],
  });
  await build.write({ dir: to, format: 'esm', chunkFileNames: 'chunks/[name]-[hash].js' });
}

/** The modules that the one at `path` starts by their addresses, in processes and threads of their own. */
function startedFrom(from: string, path: string): string[] {
  const calls = readFileSync(join(from, path), 'utf8').matchAll(/moduleUrl\('(\..+?)', import\.meta\.url\)/g);
  return [...calls]
    .map(([, name = '']) => `${join(dirname(path), name)}.js`)
    .filter((started) => existsSync(join(from, started)));
}
