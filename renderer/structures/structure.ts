/** What a recogniser says of some bytes: a tree of named fields. */

/** How sure it is, surest first. */
export type Confidence =
  /** Its magic is there and its checksum (or what it has in place of one, see `Check`) is right. */
  | 'checked'
  /** Its magic is there, and what can be compared agrees. */
  | 'magic'
  /** It has no magic; the volume says that it lies here. */
  | 'location'
  /** Neither: only its form fits. */
  | 'shape'
  /** Its magic is there, but a checksum is wrong. */
  | 'damaged';

/** What `checked` and `damaged` are about. */
export type Check =
  | 'checksum'
  /** NTFS's numbers at the end of each sector. */
  | 'fix-ups'
  /** Numbers that are there in both byte orders. */
  | 'copies';

export interface StructureNode {
  /** As in the kernel's headers or the format's specification: "s_magic". */
  readonly name: string;
  /** First byte, counted from the beginning of the payload. */
  readonly offset: number;
  /** Bytes; never past the end of the payload. */
  readonly length: number;
  /** "0xef53"; empty where only the children say something. */
  readonly value: string;
  /** The value in words; may be empty. */
  readonly meaning: string;
  /** The value cannot be right: a wrong checksum, a number out of its range. */
  readonly isWrong?: boolean;
  /** Read when asked for: a node that nobody opens costs nothing. */
  readonly children?: () => readonly StructureNode[];
}

/** A whole structure: the root of a tree. Its `name` is a title, "ext4 superblock". */
export interface Structure extends StructureNode {
  readonly confidence: Confidence;
  /** Without it, a checksum. */
  readonly check?: Check;
  /** What the confidence rests on: "magic, CRC-32C". */
  readonly evidence: string;
}

/** Children of one node at most: longer lists are parted into nodes of that many. */
export const PAGE_NODES = 128;

/**
 * The nodes of a list of `count` entries of which entry N is made by `make(N)`.
 * A long list becomes a tree whose nodes have PAGE_NODES children each, so that
 * opening any of them is bounded work. `span` gives the bytes of entries [first, end).
 */
export function listNodes(
  count: number,
  make: (index: number) => StructureNode,
  span: (first: number, end: number) => { offset: number; length: number },
  label: (first: number, last: number) => string,
): readonly StructureNode[] {
  return rangeNodes(0, count, make, span, label);
}

function rangeNodes(
  first: number,
  end: number,
  make: (index: number) => StructureNode,
  span: (first: number, end: number) => { offset: number; length: number },
  label: (first: number, last: number) => string,
): readonly StructureNode[] {
  const count = end - first;
  if (count <= PAGE_NODES) {
    return Array.from({ length: Math.max(0, count) }, (_, index) => make(first + index));
  }
  let page = PAGE_NODES;
  while (count > page * PAGE_NODES) page *= PAGE_NODES;
  return Array.from({ length: Math.ceil(count / page) }, (_, index) => {
    const from = first + index * page;
    const to = Math.min(end, from + page);
    return {
      name: label(from, to - 1),
      ...span(from, to),
      value: '',
      meaning: '',
      children: () => rangeNodes(from, to, make, span, label),
    };
  });
}

/**
 * The nodes on the way from a root to the smallest one that holds the byte at
 * `offset`, outermost first; empty if no root holds it. Children are opened on
 * the way down only.
 */
export function pathToByte(
  roots: readonly StructureNode[],
  offset: number,
): readonly StructureNode[] {
  const path: StructureNode[] = [];
  let level: readonly StructureNode[] | undefined = roots;
  while (level !== undefined) {
    let smallest: StructureNode | null = null;
    for (const node of level) {
      if (offset < node.offset || offset >= node.offset + node.length) continue;
      if (smallest === null || node.length < smallest.length) smallest = node;
    }
    if (smallest === null) break;
    path.push(smallest);
    level = smallest.children?.();
  }
  return path;
}
