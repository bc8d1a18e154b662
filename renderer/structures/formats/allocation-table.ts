/** What the tables of FAT and exFAT have in common: an entry a cluster, told by their place. */
import { listNodes, type Structure, type StructureNode } from '../structure';

export interface TablePart extends Pick<Structure, 'name' | 'value'> {
  /** The number of the first entry here, and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Bytes of entries [from, to) of those here. */
  readonly span: (from: number, to: number) => Pick<StructureNode, 'offset' | 'length'>;
  /** What an entry of those here says. */
  readonly read: (index: number) => Pick<StructureNode, 'value' | 'meaning'>;
}

/** `place`: all of the table that the payload has. */
export function allocationTable(
  { name, value, first, count, span, read }: TablePart,
  place = span(0, count),
): Structure {
  return {
    name,
    ...place,
    value,
    meaning: `entries ${first} to ${first + count - 1}`,
    confidence: 'location',
    evidence: 'where the boot sector has it',
    children: () =>
      listNodes(
        count,
        (index) => ({ name: `entry ${first + index}`, ...span(index, index + 1), ...read(index) }),
        span,
        (from, to) => `entries ${first + from} to ${first + to}`,
      ),
  };
}
