/** The wire formats against written-down bytes, which test/native reads as well. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeRecord, LITTLE_ENDIAN } from '../../app/contract/trace';
import * as wire from '../../app/contract/wire.gen';
import {
  bioscopeTraceHeaderOffsets as header,
  bioscopeTraceRecordOffsets as record,
  dmUserMessageOffsets as message,
} from '../../app/contract/wire.gen';

/** Hexadecimal bytes; `#` begins a comment. */
function golden(name: string): DataView {
  const text = readFileSync(join(import.meta.dirname, '../golden', name), 'utf8');
  const digits = text.replaceAll(/#.*/g, '').match(/[0-9a-f]{2}/g) ?? [];
  return new DataView(Uint8Array.from(digits, (byte) => parseInt(byte, 16)).buffer);
}

describe('golden bytes', () => {
  it('are in the byte order of this machine', () => {
    expect(LITTLE_ENDIAN).toBe(true);
  });

  it('decode to a trace record, field by field', () => {
    const bytes = golden('trace-record.hex');
    expect(bytes.byteLength).toBe(record.size);
    expect(decodeRecord(bytes, 0)).toEqual({
      sequence: 0x0807060504030201n,
      arrival: 0x1817161514131211n,
      completion: 0x2827262524232221n,
      sector: 0x3837363534333231n,
      length: 0x4847464544434241n,
      flags: 0x54535251,
      backendDelay: 0x64636261,
      queue: 0x7271,
      depth: 0x8281,
      error: 0x9291,
      operation: 0xa1,
      result: 0xb1,
      route: 0xc1,
      marks: 0xd1,
      disk: 0xe4e3e2e1,
    });
    expect(() => decodeRecord(bytes, 1)).toThrow(RangeError);
  });

  it('decode to a trace header', () => {
    const bytes = golden('trace-header.hex');
    expect(bytes.byteLength).toBe(header.size);
    expect(bytes.getBigUint64(0, true)).toBe(wire.BIOSCOPE_TRACE_MAGIC);
    expect(bytes.getBigUint64(header.ringCapacity, true)).toBe(65536n);
    expect(bytes.getBigUint64(header.epochMonotonicNs, true)).toBe(123456789n);
    expect(bytes.getBigUint64(header.epochRealtimeNs, true)).toBe(0x17c02aa7dca70000n);
    expect(bytes.getUint32(header.state, true)).toBe(wire.BIOSCOPE_TRACE_OPEN);
  });

  it('decode to dm-user messages', () => {
    const bytes = golden('dm-user-messages.hex');
    const messages = [0, 1, 2].map((index) => {
      const field = (offset: number) => bytes.getBigUint64(index * message.size + offset, true);
      return {
        sequence: field(message.sequence),
        type: Number(field(message.type)),
        flags: Number(field(message.flags)),
        sector: field(message.sector),
        length: field(message.length),
      };
    });
    expect(bytes.byteLength).toBe(3 * wire.DM_USER_HEADER_BYTES);
    expect(messages).toEqual([
      {
        sequence: 42n,
        type: wire.DM_USER_REQUEST_WRITE,
        flags: wire.DM_USER_FLAG_SYNC | wire.DM_USER_FLAG_FUA,
        sector: 2048n,
        length: 4096n,
      },
      {
        sequence: 2n ** 64n - 1n,
        type: wire.DM_USER_REQUEST_READ,
        flags: wire.DM_USER_FLAG_RAHEAD,
        sector: 2n ** 54n - 1n,
        length: 512n,
      },
      {
        sequence: 42n,
        type: wire.DM_USER_RESPONSE_UNSUPPORTED,
        flags: 0,
        sector: 2048n,
        length: 4096n,
      },
    ]);
  });
});
