/**
 * Modules of Node that nobody needs before there is a request. They are required then: an import of `node:http` reads all that
 * it exports, at the start of every process, and one of its exports is the whole of undici (some 40 ms).
 */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

export const nodeHttp = (): typeof import('node:http') => load('node:http');
export const nodeHttps = (): typeof import('node:https') => load('node:https');
export const nodeZlib = (): typeof import('node:zlib') => load('node:zlib');
