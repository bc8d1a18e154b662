import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DaemonClient } from '../../../app/client/daemon-client';
import { DAEMON_PROTOCOL, LONGEST_LINE } from '../../../app/contract/daemon-api';
import { BioscopeError } from '../../../app/contract/errors';
import { diskId } from '../../../app/contract/units';
import type { Handlers } from '../../../app/daemon/server/connection';
import { DaemonServer } from '../../../app/daemon/server/server';

let directory: string;
let path: string;
let server: DaemonServer;
let sockets: Socket[];
const log: string[] = [];

const info = {
  protocol: DAEMON_PROTOCOL,
  version: '9.9.9',
  pid: 1,
  uid: 0,
  kernel: '6.0',
  runtimeDirectory: '/run/x',
  cpu: 0,
  routes: [],
};
const unused = (): never => {
  throw new Error('no test calls this');
};
const handlers: Handlers = {
  hello: () => info,
  watch: (_params, connection) => {
    connection.watching = true;
    return { disks: [] };
  },
  'disks.list': () => ({ disks: [] }),
  'disks.attach': () => {
    throw new BioscopeError('IMAGE_MISSING', '/x does not exist.', { errno: 'ENOENT' });
  },
  'disks.detach': () => {
    throw new TypeError('a mistake of ours');
  },
  'disks.dismiss': () => ({}),
  'disks.resize': unused,
  'disks.abort': unused,
  'disks.adopt': unused,
  'machine.probe': unused,
  handOver: unused,
  'payload.read': () => ({ kept: false }),
  'image.read': ({ length }) => ({ base64: Buffer.alloc(length).toString('base64') }),
  'recordings.start': () => {
    throw new BioscopeError('DISK_UNKNOWN', 'There is no disk.');
  },
  'recordings.stop': () => {
    throw new BioscopeError('RECORDING_UNKNOWN', 'There is no recording.');
  },
  'recordings.list': () => ({ recordings: [] }),
  stop: () => ({}),
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  path = join(directory, 'daemon.sock');
  log.length = 0;
  sockets = [];
  server = new DaemonServer(handlers, (line) => log.push(line));
  await server.listen(path);
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Answer {
  id?: number | null;
  result?: unknown;
  error?: { code: string; errno: string | null; message: string };
  event?: string;
}

/** A client that says whatever it likes. */
class RawClient {
  readonly socket = connect(path);
  closed = false;
  private text = '';
  constructor() {
    sockets.push(this.socket);
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.socket.on('close', () => (this.closed = true));
    this.socket.on('error', () => undefined);
  }
  get answers(): Answer[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Answer);
  }
  async ask(bytes: string | Buffer, count = 1): Promise<Answer[]> {
    const before = this.answers.length;
    this.socket.write(bytes);
    await expect.poll(() => this.answers.length, { timeout: 4000 }).toBe(before + count);
    return this.answers.slice(before);
  }
}

async function stillAnswers(client: RawClient): Promise<void> {
  const [answer] = await client.ask('{"id":77,"method":"hello","params":{}}\n');
  expect(answer).toEqual({ id: 77, result: info });
}

describe('malformed input', () => {
  test.each([
    ['no JSON', 'rubbish\n', null, /^A request is not JSON: /],
    ['JSON that is no object', '[1,2]\n', null, /^A request must be \{"id", "method", "params"\}/],
    ['no method', '{"id":5}\n', 5, /method: /],
    ['an id that is none', '{"id":-1,"method":"hello","params":{}}\n', null, /id: /],
    [
      'a method nobody knows',
      '{"id":6,"method":"x","params":{}}\n',
      6,
      /^There is no method "x"\.$/,
    ],
    [
      'a name that every object has',
      '{"id":6,"method":"constructor","params":{}}\n',
      6,
      /^There is no method "constructor"\.$/,
    ],
    ['no params', '{"id":7,"method":"hello"}\n', 7, /params: /],
    [
      'params of the wrong type',
      '{"id":8,"method":"disks.attach","params":{"path":7,"readOnly":"no"}}\n',
      8,
      /^The params of disks.attach do not fit: path: .*; readOnly: /,
    ],
    [
      'too large a read',
      '{"id":9,"method":"image.read","params":{"disk":"d1","sector":"0","length":1048577}}\n',
      9,
      /length: /,
    ],
    [
      'a sector beyond 64 bits',
      '{"id":9,"method":"image.read","params":{"disk":"d1","sector":"18446744073709551616","length":1}}\n',
      9,
      /sector: outside/,
    ],
  ])('%s is answered, and the connection goes on', async (_name, line, id, message) => {
    const client = new RawClient();
    const [answer] = await client.ask(line);
    expect(answer?.id).toBe(id);
    expect(answer?.error?.code).toBe('PROTOCOL');
    expect(answer?.error?.message).toMatch(message);
    await stillAnswers(client);
  });

  test('a line without end is refused and its connection closed; others go on', async () => {
    const other = new RawClient();
    const client = new RawClient();
    const [answer] = await client.ask(Buffer.alloc(LONGEST_LINE + 1, 0x20));
    expect(answer?.error?.message).toBe(
      `The connection is closed: a line is longer than ${LONGEST_LINE} bytes.`,
    );
    await expect.poll(() => client.closed).toBe(true);
    await stillAnswers(other);
  });

  test('what is not UTF-8 is refused and its connection closed', async () => {
    const client = new RawClient();
    const [answer] = await client.ask(Buffer.from([0xff, 0xfe, 0x0a]));
    expect(answer?.error?.message).toBe('The connection is closed: a line is not UTF-8.');
    await expect.poll(() => client.closed).toBe(true);
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  test('a client that hangs up in the middle of a line is forgotten', async () => {
    const client = new RawClient();
    client.socket.end('{"id":1,"meth');
    await expect.poll(() => client.closed).toBe(true);
    await expect.poll(() => server.connectionCount).toBe(0);
    await stillAnswers(new RawClient());
  });
});

test('requests in pieces, several in one piece, and empty lines are all answered', async () => {
  const client = new RawClient();
  client.socket.write('\n{"id":1,"method":"he');
  await new Promise((resolve) => setTimeout(resolve, 20));
  const rest = 'llo","params":{}}\n{"id":2,"method":"hello","params":{}}\n';
  const answers = await client.ask(rest, 2);
  expect(answers.map(({ id }) => id).sort()).toEqual([1, 2]);
});

test('errors arrive as values; a mistake of ours is INTERNAL and logged with its place', async () => {
  const client = await DaemonClient.connect(path);
  if (!client) throw new Error('no connection');
  const attach = client.invoke('disks.attach', { path: '/x', readOnly: true });
  await expect(attach).rejects.toMatchObject({
    value: { code: 'IMAGE_MISSING', errno: 'ENOENT', message: '/x does not exist.' },
  });
  const detach = client.invoke('disks.detach', { disk: diskId('d1') });
  await expect(detach).rejects.toMatchObject({
    value: { code: 'INTERNAL', message: 'a mistake of ours' },
  });
  expect(log.join('\n')).toContain('server.test.ts');
  client.close();
});

test('only its owner may open the socket', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a stale socket, or a file in its place, is replaced', async () => {
  const stale = join(directory, 'stale.sock');
  writeFileSync(stale, 'not even a socket');
  const second = new DaemonServer(handlers, () => undefined);
  await second.listen(stale);
  const client = await DaemonClient.connect(stale);
  expect((await client?.hello())?.version).toBe('9.9.9');
  client?.close();
  second.close();
});

describe('events', () => {
  const statistics = () => ({ disks: [], cpu: 0.5 });

  test('come to those who watch alone', async () => {
    const watcher = new RawClient();
    await watcher.ask('{"id":1,"method":"watch","params":{}}\n');
    const other = new RawClient();
    await stillAnswers(other);
    server.announceDisks(() => ({ disks: [] }));
    server.announceStatistics(statistics);
    await expect
      .poll(() => watcher.answers.map(({ event }) => event))
      .toEqual([undefined, 'disks', 'statistics']);
    expect(other.answers).toHaveLength(1);
    expect(server.watched).toBe(true);
  });

  test('a watcher that does not read does not make the daemon grow', async () => {
    const slow = new RawClient();
    await slow.ask('{"id":1,"method":"watch","params":{}}\n');
    slow.socket.pause();
    const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
    let sent = 0;
    for (let round = 0; round < 20_000; round++) {
      server.announceStatistics(() => {
        sent++;
        return { disks: [], cpu: round };
      });
      if (round % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(20_000);
    const grown = process.memoryUsage().external + process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan(64 << 20);
    // The list is owed, and comes once it reads again.
    server.announceDisks(() => ({ disks: [] }));
    server.announceDisks(() => ({ disks: [] }));
    slow.socket.resume();
    await expect.poll(() => slow.answers.filter(({ event }) => event === 'disks').length).toBe(1);
  });

  test('a client that asks and never reads is not read any further', async () => {
    const greedy = new RawClient();
    await stillAnswers(greedy);
    greedy.socket.pause();
    const before = process.memoryUsage().external;
    const line =
      '{"id":1,"method":"image.read","params":{"disk":"d1","sector":"0","length":1048576}}\n';
    greedy.socket.write(line.repeat(60));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(process.memoryUsage().external - before).toBeLessThan(48 << 20);
    await stillAnswers(new RawClient());
    // Nothing was lost by waiting.
    let answers = 0;
    greedy.socket.removeAllListeners('data');
    greedy.socket.on('data', (chunk: Buffer) => {
      for (let at = -1; (at = chunk.indexOf(0x0a, at + 1)) !== -1;) answers++;
    });
    greedy.socket.resume();
    await expect.poll(() => answers, { timeout: 10_000 }).toBe(60);
  }, 20_000);
});

describe('the client', () => {
  test('has nobody to talk to where no daemon is', async () => {
    expect(await DaemonClient.connect(join(directory, 'none.sock'))).toBeNull();
  });

  test('refuses a daemon of another protocol, naming it', async () => {
    const other = join(directory, 'other.sock');
    const answer = { id: 1, result: { ...info, protocol: DAEMON_PROTOCOL + 1, pid: 321 } };
    const old = createServer((socket) => socket.end(`${JSON.stringify(answer)}\n`));
    await new Promise<void>((resolve) => old.listen(other, resolve));
    const client = await DaemonClient.connect(other);
    await expect(client?.hello()).rejects.toMatchObject({ value: { code: 'DAEMON_RUNNING' } });
    await expect(client?.hello()).rejects.toThrow(/./);
    old.close();
  });

  test('tells every caller when the daemon goes', async () => {
    const client = await DaemonClient.connect(path);
    if (!client) throw new Error('no connection');
    await client.hello();
    server.close();
    await client.closed;
    await expect(client.hello()).rejects.toMatchObject({ value: { code: 'DAEMON_UNREACHABLE' } });
  });

  test('refuses an answer that does not fit the contract', async () => {
    const other = join(directory, 'liar.sock');
    const liar = createServer((socket) => socket.end('{"id":1,"result":{"disks":"many"}}\n'));
    await new Promise<void>((resolve) => liar.listen(other, resolve));
    const client = await DaemonClient.connect(other);
    await expect(client?.invoke('disks.list', {})).rejects.toMatchObject({
      value: { code: 'PROTOCOL' },
    });
    liar.close();
  });
});
