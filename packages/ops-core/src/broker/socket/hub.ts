import { randomUUID } from 'node:crypto';
import { chmodSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { BusMessage } from '../message.ts';
import { LineSocket } from './line-socket.ts';

/** A process, as the hub sees it. */
interface Member {
  send(message: BusMessage): void;
  readonly watches: Set<string>;
}

const checkEveryMs = 250;

/**
 * Passes messages between the processes that are connected and its own (the first member). A member is told of every
 * watch of the others, so that it sends live messages only where somebody looks; what it does not watch it never gets.
 */
export class Hub {
  readonly #server: Server;
  readonly #members = new Map<Member, LineSocket | undefined>();
  readonly #own: Member;
  #check: NodeJS.Timeout | undefined;
  #leavePlace = (): void => {};

  private constructor(server: Server, onMessage: (message: BusMessage) => void) {
    this.#server = server;
    this.#own = { send: onMessage, watches: new Set() };
    this.#members.set(this.#own, undefined);
    server.unref();
    server.on('connection', (socket) => {
      const lines = new LineSocket(socket, {
        message: (message) => this.#pass(member, message),
        end: () => this.#leave(member),
      });
      const member: Member = { send: (message) => lines.send(message), watches: new Set() };
      this.#join(member, lines);
    });
  }

  /** Takes the place at `path`, dead or alive; only this user can connect. Calls `lost` when another one takes it. */
  static async listen(path: string, on: { message(message: BusMessage): void; lost(): void }): Promise<Hub> {
    const server = createServer();
    const ownPath = `${path}.${randomUUID().slice(0, 8)}`;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(ownPath, resolve);
    });
    chmodSync(ownPath, 0o600);
    const hub = new Hub(server, on.message);
    const inode = inodeOf(ownPath);
    renameSync(ownPath, path);
    hub.#keepPlace(path, inode, on.lost);
    return hub;
  }

  send(message: BusMessage): void {
    this.#pass(this.#own, message);
  }

  close(): void {
    clearInterval(this.#check);
    this.#server.close();
    for (const lines of this.#members.values()) lines?.close();
    this.#leavePlace();
  }

  /** Two processes may both take a dead hub's place: the one that was replaced steps down. */
  #keepPlace(path: string, inode: bigint | undefined, onLost: () => void): void {
    const isOurs = () => inodeOf(path) === inode;
    this.#leavePlace = () => {
      if (isOurs()) rmSync(path, { force: true });
    };
    const check = () => {
      if (isOurs()) return;
      this.close();
      onLost();
    };
    this.#check = setInterval(check, checkEveryMs).unref();
  }

  #join(member: Member, lines: LineSocket): void {
    for (const { watches } of this.#members.keys()) {
      for (const taskId of watches) member.send({ kind: 'watch', taskId });
    }
    this.#members.set(member, lines);
  }

  #leave(member: Member): void {
    this.#members.delete(member);
    for (const taskId of member.watches) this.#tellOthers(member, { kind: 'unwatch', taskId });
  }

  #pass(from: Member, message: BusMessage): void {
    if (message.kind === 'live') {
      for (const member of this.#members.keys()) {
        if (member !== from && member.watches.has(message.message.taskId)) member.send(message);
      }
      return;
    }
    if (message.kind === 'watch') from.watches.add(message.taskId);
    if (message.kind === 'unwatch') from.watches.delete(message.taskId);
    this.#tellOthers(from, message);
  }

  #tellOthers(from: Member, message: BusMessage): void {
    for (const member of this.#members.keys()) if (member !== from) member.send(message);
  }
}

const inodeOf = (path: string): bigint | undefined =>
  statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
