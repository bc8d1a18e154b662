/** Opens everything that a recogniser says of bytes, and holds it to the rules for garbage. */
import type { Structure, StructureNode } from '../../../renderer/structures/structure';
import { PAGE_NODES, pathToByte } from '../../../renderer/structures/structure';
import { MOST_STRUCTURES, recognise } from '../../../renderer/structures/recognise';
import type { Regions } from '../../../renderer/structures/regions';
import { survey } from '../../../renderer/structures/survey';

/** Nodes opened of one payload: a walk of all of a large one takes too long. */
const MOST_OPENED = 500;
/** The most children one node may have: the longest table of fields, and pages of lists. */
const MOST_CHILDREN = 2 * PAGE_NODES + 32;
const LONGEST_WORDS = 9000;

function checkNode(node: StructureNode, length: number): void {
  const isInside =
    Number.isInteger(node.offset) &&
    Number.isInteger(node.length) &&
    node.offset >= 0 &&
    node.length >= 0 &&
    node.offset + node.length <= length;
  if (!isInside) {
    throw new Error(`${node.name} is ${node.offset}+${node.length} of ${length} bytes`);
  }
  for (const words of [node.name, node.value, node.meaning]) {
    if (typeof words !== 'string' || words.length > LONGEST_WORDS) {
      throw new Error(`${node.name.slice(0, 99)} has words of ${words.length} characters`);
    }
  }
}

/** Throws if any rule is broken; returns how many nodes were opened. */
export function walk(structures: readonly Structure[], length: number): number {
  if (structures.length > MOST_STRUCTURES) throw new Error(`${structures.length} structures`);
  const queue: StructureNode[] = [...structures];
  let opened = 0;
  for (; opened < queue.length && opened < MOST_OPENED; opened++) {
    const node = queue[opened];
    if (!node) break;
    checkNode(node, length);
    const children = node.children?.() ?? [];
    if (children.length > MOST_CHILDREN) {
      throw new Error(`${node.name} has ${children.length} children`);
    }
    for (const child of children) checkNode(child, length);
    queue.push(...children);
  }
  for (const offset of [0, length >> 1, length - 1]) pathToByte(structures, offset);
  return opened;
}

/** A disk that consists of `bytes` from byte `device` on, and of `others` elsewhere. */
export async function surveyed(
  bytes: Uint8Array,
  device: number,
  size: number,
): Promise<{ readonly regions: Regions; readonly reads: number }> {
  let reads = 0;
  const regions = await survey(size, (offset, length) => {
    reads++;
    const from = offset - device;
    const isThere = length > 0 && from >= 0 && from + length <= bytes.length;
    return Promise.resolve(isThere ? bytes.subarray(from, from + length) : null);
  });
  return { regions, reads };
}

/** One execution: a survey of the disk, a pass over the payload, a walk of what it says. */
export async function execute(bytes: Uint8Array, device: number, size: number): Promise<number> {
  const { regions } = await surveyed(bytes, 0, size);
  return walk(recognise(bytes, device, regions), bytes.length);
}
