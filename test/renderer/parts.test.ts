/** The small pure parts of the window. */
import { describe, expect, it, vi } from 'vitest';
import type { DiskStatistics } from '../../app/contract/disk';
import { bytes, diskId, nanoseconds, sector, sequence } from '../../app/contract/units';
import type { WindowBridge } from '../../app/contract/window-api';
import { RateHistory, sparklinePath } from '../../renderer/disks/rate-history';
import { moveSelection } from '../../renderer/inspector/byte-selection';
import { base64Text, cArrayText, hexText, plainText } from '../../renderer/inspector/byte-text';
import {
  CHUNK_BYTES,
  imageNow,
  keptPayload,
  PayloadSource,
} from '../../renderer/inspector/payload-source';
import { countingText } from '../../renderer/pictures/counting';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatThroughput,
} from '../../renderer/widgets/numbers';

it('a picture that takes long says how much is counted, and no number once all is', () => {
  expect([0, 0.404, 0.9999, 1].map(countingText)).toEqual([
    'counting … 0 %',
    'counting … 40 %',
    'counting … 99 %',
    'summing up …',
  ]);
});

describe('numbers', () => {
  it.each([
    [formatCount(184236), '184,236'],
    [formatCount(18446744073709551615n), '18,446,744,073,709,551,615'],
    [formatBytes(0), '0 B'],
    [formatBytes(512), '512 B'],
    [formatBytes(8192), '8 KiB'],
    [formatBytes(1536), '1.5 KiB'],
    [formatBytes(689_963_008n), '658 MiB'],
    [formatDuration(850), '850 ns'],
    [formatDuration(4_210), '4.21 µs'],
    [formatDuration(344_000), '344 µs'],
    [formatDuration(999_600), '1.00 ms'],
    [formatDuration(7_320_000), '7.32 ms'],
    [formatDuration(9_400), '9.40 µs'],
    [formatDuration(1_204_000_000), '1.20 s'],
    [formatDuration(7_200_000_000_000), '7200 s'],
    [formatRate(0), '0'],
    [formatRate(4.04), '4.0'],
    [formatRate(412), '412'],
    [formatRate(5432), '5.43k'],
    [formatThroughput(22_900_000), '22.9 MB/s'],
  ])('%s is written %s', (made, expected) => {
    expect(made).toBe(expected);
  });
});

describe('the rates of a disk', () => {
  const sample = (milliseconds: number, reads: number, writes = 0): DiskStatistics => ({
    disk: diskId('disk'),
    time: nanoseconds(BigInt(milliseconds) * 1_000_000n),
    reads: bytes(reads),
    writes: bytes(writes),
    flushes: bytes(0),
    discards: bytes(0),
    zeroes: bytes(0),
    readBytes: bytes(reads * 4096),
    writtenBytes: bytes(0),
    errors: bytes(0),
    inFlight: 0,
    payloadBytes: bytes(0),
    payloadLimit: bytes(0),
    traceCapacity: bytes(0),
  });

  it('are means over the last second', () => {
    const history = new RateHistory();
    for (let index = 0; index <= 8; index++) history.add(sample(index * 250, index * index));
    expect(history.now.reads).toBeCloseTo(64 - 16);
    expect(history.now.readBytes).toBeCloseTo((64 - 16) * 4096);
  });

  it('are zero before there are two samples, and a sample of the same time is none', () => {
    const history = new RateHistory();
    history.add(sample(0, 5));
    history.add(sample(0, 9));
    expect(history.now.reads).toBe(0);
    expect(history.series).toEqual([]);
  });

  it('go back a minute and no further', () => {
    const history = new RateHistory();
    for (let index = 0; index < 500; index++) history.add(sample(index * 250, index));
    expect(history.series).toHaveLength(240);
    expect(history.series[0]?.reads).toBeCloseTo(4);
  });

  it('are drawn with the newest at the right edge', () => {
    expect(sparklinePath([0, 10], 10, 239, 22)).toBe('M238.0 21.0L239.0 1.0');
    expect(sparklinePath([5], 10, 239, 22)).toBe('');
  });
});

describe('a selection of bytes', () => {
  const press = (key: string, more: { shiftKey?: boolean; ctrlKey?: boolean } = {}) => ({
    key,
    shiftKey: false,
    ctrlKey: false,
    ...more,
  });
  const at = (cursor: number, anchor = cursor) => ({ anchor, cursor });

  it.each([
    ['begins at the first byte', null, press('ArrowRight'), at(0)],
    ['moves by a byte', at(5), press('ArrowRight'), at(6)],
    ['stays at the end', at(99), press('ArrowRight'), at(99)],
    ['moves by a row', at(5), press('ArrowDown'), at(21)],
    ['does not leave the last row', at(90), press('ArrowDown'), at(90)],
    ['grows with Shift', at(5), press('ArrowDown', { shiftKey: true }), at(21, 5)],
    ['goes to the end of the row', at(17), press('End'), at(31)],
    ['goes to the very end', at(17), press('End', { ctrlKey: true }), at(99)],
    ['moves by a page, in its column', at(70), press('PageUp'), at(6)],
    ['takes everything', null, press('a', { ctrlKey: true }), at(99, 0)],
  ])('%s', (_name, before, pressed, after) => {
    expect(moveSelection(before, pressed, 100, 5)).toEqual(after);
  });

  it('does not care for other keys, nor for no bytes', () => {
    expect(moveSelection(at(5), press('x'), 100, 5)).toBeNull();
    expect(moveSelection(null, press('ArrowRight'), 0, 5)).toBeNull();
  });
});

describe('bytes as text', () => {
  const data = Uint8Array.from({ length: 18 }, (_, index) => index + 0x38);

  it('are hex of 16 a line', () => {
    expect(hexText(data)).toBe('38 39 3a 3b 3c 3d 3e 3f 40 41 42 43 44 45 46 47\n48 49');
  });

  it('keep ends of lines as text, and nothing that is no text', () => {
    expect(plainText(new TextEncoder().encode('a\tb\nc\u0000é'))).toBe('a\tb\nc...');
  });

  it('are a C array that names their number', () => {
    expect(cArrayText(Uint8Array.of(1, 255))).toBe(
      'static const unsigned char data[2] = {\n\t0x01, 0xff,\n};\n',
    );
  });

  it('are base64', () => {
    expect(base64Text(Uint8Array.of(0, 255, 16))).toBe('AP8Q');
  });
});

describe('the bytes of a request', () => {
  const disk = diskId('disk');

  it('are loaded in chunks as they are looked at, each once', async () => {
    const total = CHUNK_BYTES + 10;
    const read = vi.fn((offset: number) => {
      const length = Math.min(CHUNK_BYTES, total - offset);
      const made = Uint8Array.from({ length }, (_, index) => (offset + index) & 0xff);
      return Promise.resolve({ ok: true as const, value: { bytes: made, total } });
    });
    const source = new PayloadSource(read, () => undefined);
    await vi.waitFor(() => expect(source.phase).toBe('there'));
    expect(source.byte(7)).toBe(7);
    expect(source.byte(CHUNK_BYTES + 3)).toBeUndefined();
    await vi.waitFor(() => expect(source.byte(CHUNK_BYTES + 3)).toBe(3));
    expect(await source.bytes(CHUNK_BYTES - 2, CHUNK_BYTES + 2)).toEqual(
      Uint8Array.of(0xfe, 0xff, 0, 1),
    );
    expect(read.mock.calls).toEqual([[0], [CHUNK_BYTES]]);
  });

  it('are gone when the daemon keeps them no longer, also in the middle', async () => {
    const bridge = {
      invoke: () => Promise.resolve({ ok: true, value: { kept: false } }),
    } as unknown as WindowBridge;
    const changed = vi.fn();
    const source = new PayloadSource(keptPayload(bridge, disk, sequence(5)), changed);
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    expect(source.phase).toBe('gone');
    expect(await source.bytes(0, 1)).toBeNull();
  });

  it('are asked of the image by sector, and no further than the request went', async () => {
    const invoke = vi.fn((_channel: string, params: { length: number }) =>
      Promise.resolve({ ok: true, value: { base64: btoa('\u0007'.repeat(params.length)) } }),
    );
    const bridge = { invoke } as unknown as WindowBridge;
    const total = CHUNK_BYTES + 512;
    const source = new PayloadSource(
      imageNow(bridge, disk, sector(100), bytes(total)),
      () => undefined,
    );
    expect(await source.bytes(0, total)).toHaveLength(total);
    expect(invoke.mock.calls.map(([, params]) => params)).toEqual([
      { disk, sector: 100n, length: CHUNK_BYTES },
      { disk, sector: 228n, length: 512 },
    ]);
  });

  it('are an error with its words when they cannot be read', async () => {
    const error = {
      code: 'DISK_FAILED' as const,
      errno: 'EIO',
      message: 'the image cannot be read',
      injected: false,
      holders: [],
    };
    const source = new PayloadSource(
      () => Promise.resolve({ ok: false, error }),
      () => undefined,
    );
    await vi.waitFor(() => expect(source.phase).toBe('error'));
    expect(source.error?.message).toBe('the image cannot be read');
  });
});
