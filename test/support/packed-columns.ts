/** Records as the feed sends them, of captures and of disks: packed by the addon, as there. */
import { unpackColumns } from '../../app/contract/packed-columns';
import { RECORD_BYTES } from '../../app/contract/trace';
import { columnList, makeColumns, putRecords, takeRecord } from '../../app/filter/trace-columns';
import { addon } from '../app/capture/support';

/** `order`: which records, in which order; as they are without. */
export function packRecords(records: ArrayBuffer, order?: Uint32Array): ArrayBuffer {
  const count = records.byteLength / RECORD_BYTES;
  const columns = makeColumns(count);
  putRecords(columns, 0, new Uint32Array(records), 0, count);
  const rows = order ?? Uint32Array.from({ length: count }, (_, row) => row);
  const pack = addon.makeColumnPacker();
  const packed = new ArrayBuffer(pack(columnList(columns), rows, new ArrayBuffer(0)));
  pack(columnList(columns), rows, packed);
  return packed;
}

/** What packed columns of `rows` rows say, as records of disk number `disk`. */
export function unpackRecords(packed: ArrayBuffer, rows: number, disk: number): Uint8Array {
  const columns = makeColumns(rows);
  unpackColumns(packed, 0, columnList(columns), 0, rows);
  const words = new Uint32Array((rows * RECORD_BYTES) / 4);
  for (let row = 0; row < rows; row++) {
    takeRecord(columns, row, words, (row * RECORD_BYTES) / 4, disk);
  }
  return new Uint8Array(words.buffer);
}
