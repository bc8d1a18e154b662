/** The rows of a tree of structures, as they stand open now. Free of React. */
import { pathToByte, type Structure, type StructureNode } from '../structures/structure';

export interface TreeRow {
  /** Place in the tree: "2/0/5". */
  readonly key: string;
  readonly node: StructureNode;
  /** 1 for a structure itself. */
  readonly level: number;
  readonly isOpen: boolean;
  readonly hasChildren: boolean;
  /** 1 and up among its siblings, and how many they are. */
  readonly position: number;
  readonly siblings: number;
}

/** Reads children once: a node's children are made anew at each call. */
export class StructureTree {
  readonly structures: readonly Structure[];
  readonly #children = new Map<string, readonly StructureNode[]>();

  constructor(structures: readonly Structure[]) {
    this.structures = structures;
  }

  /** The rows that are seen while the nodes named in `open` are open. */
  rows(open: ReadonlySet<string>): readonly TreeRow[] {
    const rows: TreeRow[] = [];
    const add = (nodes: readonly StructureNode[], prefix: string, level: number): void => {
      nodes.forEach((node, index) => {
        const key = `${prefix}${index}`;
        const isOpen = open.has(key) && node.children !== undefined;
        const place = { position: index + 1, siblings: nodes.length };
        rows.push({ key, node, level, isOpen, hasChildren: node.children !== undefined, ...place });
        if (isOpen) add(this.#childrenOf(key, node), `${key}/`, level + 1);
      });
    };
    add(this.structures, '', 1);
    return rows;
  }

  /** The keys from a structure down to the smallest node that holds the byte; empty if none does. */
  keysAt(offset: number): readonly string[] {
    const path = pathToByte(this.structures, offset);
    const keys: string[] = [];
    let level: readonly StructureNode[] = this.structures;
    let key = '';
    for (const node of path) {
      const index = level.findIndex(
        (other) =>
          other.offset === node.offset && other.length === node.length && other.name === node.name,
      );
      if (index < 0) break;
      key = key === '' ? String(index) : `${key}/${index}`;
      keys.push(key);
      const found = level[index];
      level = found ? this.#childrenOf(key, found) : [];
    }
    return keys;
  }

  #childrenOf(key: string, node: StructureNode): readonly StructureNode[] {
    const known = this.#children.get(key);
    if (known) return known;
    const made = node.children?.() ?? [];
    this.#children.set(key, made);
    return made;
  }
}

/** The key of the node that holds the one at `key`; null for a structure itself. */
export function parentKey(key: string): string | null {
  const end = key.lastIndexOf('/');
  return end < 0 ? null : key.slice(0, end);
}
