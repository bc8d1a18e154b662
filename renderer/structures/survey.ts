/**
 * What a disk says of itself: its partitions, and for each the regions that
 * its file system names. Reads the disk through a DeviceReader, a few KiB for
 * each volume; bounded for any content.
 */
import { ByteView } from './byte-view';
import { surveyors } from './formats';
import { gptEntriesRegion, gptHeader, logicalSector } from './formats/gpt';
import { partitionsOf, recogniseExtendedRecord } from './formats/mbr';
import type { DeviceReader, Region, Volume } from './recogniser';
import { Regions } from './regions';

const SECTOR = 512;
/** Partitions looked into, at most. */
const MOST_VOLUMES = 64;

interface Table {
  readonly volumes: readonly Volume[];
  readonly regions: readonly Region[];
}

const noTable: Table = { volumes: [], regions: [] };

async function gptTable(read: DeviceReader): Promise<Table | null> {
  for (const lba of [SECTOR, 4096]) {
    const bytes = await read(lba, SECTOR);
    const header = bytes && gptHeader(new ByteView(bytes));
    if (!header) continue;
    const sector = logicalSector(header, lba);
    const start = header.entriesLba * sector;
    const table = await read(start, header.entries * header.entryBytes);
    const regions = [gptEntriesRegion(header, start)];
    const backup = await read(header.alternateLba * sector, SECTOR);
    const other = backup && gptHeader(new ByteView(backup));
    if (other) regions.push(gptEntriesRegion(other, other.entriesLba * sector));
    if (!table) return { volumes: [], regions };
    const volumes: Volume[] = [];
    for (let at = 0; at < table.length; at += header.entryBytes) {
      const entry = new ByteView(table, at, header.entryBytes);
      if (entry.isZero(0, 16)) continue;
      const first = entry.wide(32);
      const last = entry.wide(40);
      if (last >= first) {
        volumes.push({ start: first * sector, length: (last - first + 1) * sector });
      }
    }
    return { volumes, regions };
  }
  return null;
}

/** The logical partitions in the extended one at sector `base`. */
async function logicalVolumes(read: DeviceReader, base: number): Promise<Table> {
  const volumes: Volume[] = [];
  const regions: Region[] = [];
  let at = base;
  // A record need not have a volume: the steps are counted too.
  for (let step = 0; step < MOST_VOLUMES && volumes.length < MOST_VOLUMES; step++) {
    const start = at * SECTOR;
    const bytes = await read(start, SECTOR);
    const partitions = bytes && partitionsOf(new ByteView(bytes));
    if (!partitions) break;
    regions.push({ start, length: SECTOR, read: recogniseExtendedRecord });
    for (const { isExtended, first, count } of partitions) {
      if (!isExtended) volumes.push({ start: (at + first) * SECTOR, length: count * SECTOR });
    }
    const next = partitions.find(({ isExtended }) => isExtended);
    // The chain only ever leads forward; a loop is garbage.
    if (!next || base + next.first <= at) break;
    at = base + next.first;
  }
  return { volumes, regions };
}

async function mbrTable(read: DeviceReader): Promise<Table> {
  const bytes = await read(0, SECTOR);
  const partitions = bytes && partitionsOf(new ByteView(bytes));
  if (!partitions) return noTable;
  const volumes: Volume[] = [];
  const regions: Region[] = [];
  for (const { isExtended, first, count } of partitions) {
    if (isExtended) {
      const logical = await logicalVolumes(read, first);
      volumes.push(...logical.volumes);
      regions.push(...logical.regions);
    } else volumes.push({ start: first * SECTOR, length: count * SECTOR });
  }
  return { volumes, regions };
}

/** The regions of a disk of `size` bytes. */
export async function survey(size: number, read: DeviceReader): Promise<Regions> {
  const { volumes, regions } = (await gptTable(read)) ?? (await mbrTable(read));
  const all: Region[] = [...regions];
  const inside = volumes.filter(({ start, length }) => length > 0 && start < size);
  for (const volume of [{ start: 0, length: size }, ...inside.slice(0, MOST_VOLUMES)]) {
    for (const surveyor of surveyors) all.push(...(await surveyor(volume, read)));
  }
  return new Regions(all);
}
