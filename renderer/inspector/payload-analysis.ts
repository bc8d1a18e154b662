/** What is said of a payload: its structures and its statistics, found once it has come. */
import { useEffect, useState } from 'react';
import { sectorToBytes, type DiskId, type Sector } from '../../app/contract/units';
import { useDisks } from '../disks/disk-state';
import { bridge } from '../shell/bridge';
import { MOST_BYTES, recognise } from '../structures/recognise';
import { statisticsOf, type ByteStatistics } from '../structures/statistics';
import type { Structure } from '../structures/structure';
import { DiskKnowledge } from './disk-knowledge';
import { CHUNK_BYTES, type PayloadSource } from './payload-source';

/** Milliseconds that a large payload must stay selected before all of it is fetched. */
const STILL_MS = 150;

const knowledge = new DiskKnowledge(bridge);

export interface Analysis {
  /** The bytes that were looked at: the first MiB. */
  readonly bytes: Uint8Array;
  readonly structures: readonly Structure[];
  readonly statistics: ByteStatistics;
}

async function analyse(
  source: PayloadSource,
  disk: DiskId,
  sector: Sector,
  size: number,
): Promise<Analysis | null> {
  const bytes = await source.bytes(0, Math.min(source.total, MOST_BYTES));
  if (!bytes) return null;
  const device = Number(sectorToBytes(sector));
  const regions = await knowledge.regions(disk, size, { device, bytes });
  const structures = recognise(bytes, device, regions);
  knowledge.remember(disk, { device, bytes }, structures);
  return { bytes, structures, statistics: statisticsOf(bytes) };
}

/** Null until it is known. */
export function useAnalysis(source: PayloadSource, disk: DiskId, sector: Sector): Analysis | null {
  const [analysis, setAnalysis] = useState<Analysis | null>(null);
  // A disk that has left is as large as what is asked of it.
  const size = useDisks(({ disks }) => disks.find(({ id }) => id === disk)?.size);
  useEffect(() => {
    let isWanted = true;
    const begin = () => {
      void analyse(source, disk, sector, Number(size ?? Number.MAX_SAFE_INTEGER)).then((made) => {
        if (isWanted) setAnalysis(made);
      });
    };
    const timer = window.setTimeout(begin, source.total > CHUNK_BYTES ? STILL_MS : 0);
    return () => {
      isWanted = false;
      window.clearTimeout(timer);
    };
  }, [source, disk, sector, size]);
  return analysis;
}
