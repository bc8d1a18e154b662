/** Programs that know nothing of Bioscope read a capture: Arrow's own library, and DuckDB. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableFromIPC } from 'apache-arrow';
import * as duckdb from '@duckdb/duckdb-wasm/blocking';
import { CaptureWriter } from '../../../app/capture/writer';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { addAll, checksum, header, madeUp } from './support';

const ROWS = 3000;
let directory = '';
let path = '';
const payloads = Array.from({ length: ROWS }, (_, index) =>
  index % 3 === 0 ? Buffer.from([0x53, 0xef, index & 255]) : null,
);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-capture-'));
  path = join(directory, 'x.bioscope');
  const writer = await CaptureWriter.create(path, header, checksum);
  const records = madeUp(1, ROWS);
  const half = (ROWS / 2) * RECORD_BYTES;
  await addAll(writer, records.slice(0, half), payloads.slice(0, ROWS / 2));
  while (!writer.flush()) await writer.idle();
  await addAll(writer, records.slice(half), payloads.slice(ROWS / 2));
  await writer.finish();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Column `field` of the same rows, by another way: straight from the records. */
function expected(): DataView {
  return new DataView(madeUp(1, ROWS));
}

test("Arrow's library reads it as it is", () => {
  const table = tableFromIPC(readFileSync(path));
  expect(table.numRows).toBe(ROWS);
  expect(table.schema.metadata.get('bioscope.version')).toBe('1');
  const view = expected();
  const column = (name: string) => table.getChild(name);
  for (const row of [0, 1, 4, 1499, 1500, 2999]) {
    const at = row * RECORD_BYTES;
    expect(column('sequence')?.get(row)).toBe(BigInt(row + 1));
    expect(column('sector')?.get(row)).toBe(view.getBigUint64(at + 24, true));
    expect(column('depth')?.get(row)).toBe(view.getUint16(at + 50, true));
    expect(column('operation')?.get(row)).toBe(view.getUint8(at + 54));
    const payload: unknown = column('payload')?.get(row);
    const kept = payloads[row] ?? null;
    expect(payload === null ? null : Buffer.from(payload as Uint8Array)).toEqual(kept);
  }
});

test('DuckDB counts, sums and finds bytes in it', { timeout: 120_000 }, async () => {
  const require = createRequire(import.meta.url);
  const module = (name: string) => ({
    mainModule: require.resolve(`@duckdb/duckdb-wasm/dist/duckdb-${name}.wasm`),
    mainWorker: '',
  });
  const database = await duckdb.createDuckDB(
    { mvp: module('mvp'), eh: module('eh') },
    new duckdb.VoidLogger(),
    duckdb.NODE_RUNTIME,
  );
  await database.instantiate(() => undefined);
  const connection = database.connect();
  connection.insertArrowFromIPCStream(readFileSync(path), { name: 'capture' });
  const [row] = connection
    .query(
      `select count(*)::int as count, sum(length)::varchar as bytes, max(sector)::varchar as top,
              sum(case when operation = 1 then 1 else 0 end)::int as writes,
              sum(case when hex(payload) like '53EF%' then 1 else 0 end)::int as kept
         from capture`,
    )
    .toArray()
    .map((one: { toJSON(): unknown }) => one.toJSON());
  const view = expected();
  let total = 0n;
  let top = 0n;
  let writes = 0;
  for (let at = 0; at < view.byteLength; at += RECORD_BYTES) {
    total += view.getBigUint64(at + 32, true);
    const sector = view.getBigUint64(at + 24, true);
    if (sector > top) top = sector;
    if (view.getUint8(at + 54) === 1) writes++;
  }
  expect(row).toEqual({
    count: ROWS,
    bytes: total.toString(),
    // Past 2^63: no sign, and no rounding on the way.
    top: top.toString(),
    writes,
    kept: ROWS / 3,
  });
  connection.close();
});
