/** The structures of a payload as a tree of fields: what the bytes mean. */
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import type { Check, Structure, StructureNode } from '../structures/structure';
import { formatCount } from '../widgets/numbers';
import { parentKey, StructureTree, type TreeRow } from './structure-rows';

const confidenceWords = { magic: 'magic', location: 'by place', shape: 'by form' } as const;
const checkWords: Readonly<Record<Check, Readonly<Record<'checked' | 'damaged', string>>>> = {
  checksum: { checked: 'checksum right', damaged: 'checksum wrong' },
  'fix-ups': { checked: 'fix-ups right', damaged: 'fix-ups wrong' },
  copies: { checked: 'copies agree', damaged: 'copies differ' },
};

function sureness({ confidence, check = 'checksum' }: Structure): string {
  const isChecked = confidence === 'checked' || confidence === 'damaged';
  return isChecked ? checkWords[check][confidence] : confidenceWords[confidence];
}

export interface StructureTreeProps {
  readonly structures: readonly Structure[];
  /** Shows the fields of the first structure at once. */
  readonly startsOpen: boolean;
  /** The byte under the pointer in the hex view: its field is marked. */
  readonly hoveredByte: number | null;
  /** The field under the pointer or the cursor; null when there is none. */
  readonly onField: (node: StructureNode | null) => void;
  /** A field was chosen, or reached by keyboard: its bytes are to be seen. */
  readonly onChoose: (node: StructureNode) => void;
}

function Row(props: {
  readonly id: string;
  readonly row: TreeRow;
  readonly isActive: boolean;
  readonly isHovered: boolean;
  readonly onToggle: () => void;
  readonly onChoose: () => void;
  readonly onPoint: () => void;
}) {
  const { id, row, isActive, isHovered, onToggle, onChoose, onPoint } = props;
  const { node, level, isOpen, hasChildren, position, siblings } = row;
  const structure = level === 1 ? (node as Structure) : null;
  return (
    <div
      id={id}
      className="tree-row"
      role="treeitem"
      aria-level={level}
      aria-setsize={siblings}
      aria-posinset={position}
      aria-selected={isActive}
      {...(hasChildren ? { 'aria-expanded': isOpen } : {})}
      data-testid="structure-row"
      data-name={node.name}
      data-offset={node.offset}
      data-length={node.length}
      data-hovered={isHovered}
      {...(structure ? { 'data-confidence': structure.confidence } : {})}
      style={{ paddingLeft: 4 + (level - 1) * 12 }}
      onPointerEnter={onPoint}
      onClick={onChoose}
      onDoubleClick={onToggle}
    >
      <span
        className="tree-twist"
        aria-hidden="true"
        onClick={(event) => {
          event.stopPropagation();
          onToggle();
        }}
      >
        {hasChildren ? (isOpen ? '▾' : '▸') : ''}
      </span>
      <span className="tree-offset">{node.offset.toString(16).padStart(4, '0')}</span>
      <span className="tree-words">
        <span className="tree-name">{node.name}</span>
        <span
          className={node.isWrong === true ? 'tree-value failed' : 'tree-value'}
          title={node.value}
        >
          {node.value}
        </span>
        <span className="meaning" title={node.meaning}>
          {node.meaning}
        </span>
        {structure && (
          <span
            className="confidence"
            data-confidence={structure.confidence}
            title={structure.evidence}
          >
            {sureness(structure)}
          </span>
        )}
      </span>
    </div>
  );
}

export function StructureTreeView(props: StructureTreeProps) {
  const { structures, startsOpen, hoveredByte, onField, onChoose } = props;
  const id = useId();
  const host = useRef<HTMLDivElement>(null);
  const tree = useMemo(() => new StructureTree(structures), [structures]);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(startsOpen ? ['0'] : []));
  const [active, setActive] = useState('0');
  const rows = useMemo(() => tree.rows(open), [tree, open]);
  // Of the nodes that hold the byte the innermost one that is seen.
  const hoveredKey = useMemo(() => {
    if (hoveredByte === null) return null;
    const seen = new Set(rows.map(({ key }) => key));
    return tree.keysAt(hoveredByte).findLast((key) => seen.has(key)) ?? null;
  }, [tree, rows, hoveredByte]);
  const rowId = (key: string) => `${id}${key.replaceAll('/', '-')}`;

  const seenId = rowId(hoveredKey ?? active);
  useEffect(() => {
    const row = host.current?.querySelector(`[id="${CSS.escape(seenId)}"]`);
    row?.scrollIntoView({ block: 'nearest' });
  }, [seenId]);

  const toggle = (key: string): void => {
    const after = new Set(open);
    if (after.delete(key)) {
      // The cursor does not stay on a row that is seen no more.
      if (active.startsWith(`${key}/`)) setActive(key);
    } else after.add(key);
    setOpen(after);
  };
  const move = (row: TreeRow | undefined): void => {
    if (!row) return;
    setActive(row.key);
    onField(row.node);
    onChoose(row.node);
  };
  const key = (event: KeyboardEvent): void => {
    const index = rows.findIndex((row) => row.key === active);
    const row = rows[index];
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    switch (event.key) {
      case 'ArrowDown':
        move(rows[index + 1]);
        break;
      case 'ArrowUp':
        move(rows[index - 1]);
        break;
      case 'Home':
        move(rows[0]);
        break;
      case 'End':
        move(rows.at(-1));
        break;
      case 'ArrowRight':
        if (row.hasChildren && !row.isOpen) toggle(row.key);
        else if (row.isOpen) move(rows[index + 1]);
        break;
      case 'ArrowLeft':
        if (row.isOpen) toggle(row.key);
        else move(rows.find((other) => other.key === parentKey(row.key)));
        break;
      case 'Enter':
        onChoose(row.node);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  if (structures.length === 0) return null;
  return (
    <section className="structures" aria-label="Structures">
      <div
        ref={host}
        className="tree"
        role="tree"
        aria-label={`${formatCount(structures.length)} recognised in the payload`}
        aria-activedescendant={rowId(active)}
        tabIndex={0}
        data-testid="structures"
        data-count={structures.length}
        onKeyDown={key}
        onFocus={() => onField(rows.find((row) => row.key === active)?.node ?? null)}
        onBlur={() => onField(null)}
        onPointerLeave={() => onField(null)}
      >
        {rows.map((row) => (
          <Row
            key={row.key}
            id={rowId(row.key)}
            row={row}
            isActive={row.key === active}
            isHovered={row.key === hoveredKey}
            onToggle={() => toggle(row.key)}
            onChoose={() => {
              // The focus has just come to the tree, and with it the field that was chosen before.
              onField(row.node);
              setActive(row.key);
              onChoose(row.node);
            }}
            onPoint={() => onField(row.node)}
          />
        ))}
      </div>
    </section>
  );
}
